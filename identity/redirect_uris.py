"""Redirect URIs of clients: which may be registered, and which of a request match (RFC 9700, 2.1; RFC 8252, 7)."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?(/.*)?", re.DOTALL)
"""Loopback address in digits: origin, port, path. `localhost` is none: a name may lead elsewhere (RFC 8252, 8.3)."""
LOCAL = ("localhost", "127.0.0.1", "::1")
HIGHEST_PORT = 65535


def is_registered(address: str, registered: Iterable[str]) -> bool:
    """True if `address` is one of these letter by letter; on a loopback address the port may be any."""
    return any(address == one or _differs_by_port_alone(address, one) for one in registered)


def _differs_by_port_alone(address: str, registered: str) -> bool:
    asked, known = LOOPBACK.fullmatch(address), LOOPBACK.fullmatch(registered)
    if not asked or not known or int(asked[2] or 0) > HIGHEST_PORT:
        return False
    return (asked[1], asked[3]) == (known[1], known[3])


def validate(address: str) -> None:
    """ValidationError unless absolute, https unless on loopback or a program's own scheme, without fragment."""
    parts = urlsplit(address)
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    own = "." in parts.scheme  # a program's own, such as org.example.app (RFC 8252, 7.1)
    strange = parts.fragment or "*" in address or "@" in parts.netloc
    if not ((encrypted and parts.netloc) or own) or strange:
        raise ValidationError(f"“{address}” is not a valid redirect address: use https and no fragment.")
