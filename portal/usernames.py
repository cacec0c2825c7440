"""Usernames: validation as DNS labels (RFC 1123), reserved names, suggestions."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext, gettext_lazy

_OF_THE_SITE = "account accounts api collab collabs collaboratory drive hub lab labs portal static system"
_OF_OFFICES = (
    # Mailboxes that somebody answers for a domain (RFC 2142), and whose owner a certificate authority believes.
    "abuse ftp hostmaster info marketing news noc postmaster sales security support usenet uucp webmaster www "
    "admin administrator root sysadmin ssladmin ssladministrator sysadministrator "
    # Which nobody should be written to by, or signed in as.
    "daemon mailer-daemon no-reply nobody noreply operations staff superuser"
)
_OF_PROTOCOLS = (
    # Names below a domain that programs look for by themselves: proxies (WPAD), mail (MTA-STS, RFC 8461, and
    # autoconfiguration), keys, tunnels, name servers.
    "autoconfig autodiscover broadcasthost dns imap isatap localdomain localhost mail mta-sts mx ns ns0 ns1 ns2 ns3 "
    "ns4 openpgpkey pop pop3 smtp wpad"
)
RESERVED = frozenset(f"{_OF_THE_SITE} {_OF_OFFICES} {_OF_PROTOCOLS}".split())
"""Usernames that nobody chooses: a username is a name below LAB_DOMAIN. Who has one of these already keeps it."""

_label = RegexValidator(
    r"\A[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z",
    gettext_lazy("Use lower-case letters, digits and hyphens; start with a letter; at most 32 characters."),
)


def validate_username(value: str) -> None:
    """ValidationError for what is not a DNS label, has a punycode prefix, or is reserved for the site."""
    _label(value)
    if value in RESERVED or value[2:4] == "--":
        raise ValidationError(gettext("This username is reserved."))


USERNAME_VALIDATORS = [validate_username]
"""For allauth's ACCOUNT_USERNAME_VALIDATORS."""


MAX_LENGTH = 32


def suggest(texts: Iterable[str]) -> str:
    """Username derived from the first usable text: `Müller, Eva` gives `muller-eva`.

    The last text must be a valid username.
    """
    for text in texts:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-0123456789")[:MAX_LENGTH].rstrip("-")
        if label:
            return label
    raise ValueError("no text to make a username of")


def first_free(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, with the first number that makes it valid and free if necessary."""
    number = 1
    while True:
        ending = "" if number == 1 else f"-{number}"
        name = wanted[: MAX_LENGTH - len(ending)].rstrip("-") + ending
        try:
            validate_username(name)
        except ValidationError:
            if number == 1 and wanted[2:4] == "--":
                wanted = wanted.replace("--", "-")
                continue
        else:
            if name not in taken:
                return name
        number += 1
