"""Usernames: validation as DNS labels (RFC 1123), reserved names, suggestions."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

RESERVED = frozenset(
    "account accounts admin api collab collabs drive hub lab localhost mail portal root static support system "
    "www".split()
)

_label = RegexValidator(
    r"\A[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z",
    "Use lower-case letters, digits and hyphens; start with a letter; at most 32 characters.",
)


def validate_username(value: str) -> None:
    """ValidationError for what is not a DNS label, has a punycode prefix, or is reserved for the site."""
    _label(value)
    if value in RESERVED or value[2:4] == "--":
        raise ValidationError("This username is reserved.")


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
