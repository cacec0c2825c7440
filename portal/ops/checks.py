"""System checks of the settings; docs/reference/checks.md explains each id."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

LONGEST_SOCKET = 107
"""Maximum bytes of a unix socket's address (unix(7))."""
SHORTEST_TOKEN = 20
"""Minimum characters of METRICS_TOKEN."""


def check_message(kind: type[Error | Warning], message: str, name: str) -> CheckMessage:
    """Message of a system check, with the section of the documentation as hint."""
    return kind(message, hint=f"See docs/reference/checks.md#{name.replace('.', '').lower()}", id=name)


@register(Tags.security)
def origins(**_: Any) -> Sequence[CheckMessage]:
    """E001: a Lab, which runs its owner's code, would share the portal's origin or a parent domain of it."""
    portal, lab = settings.ALLOWED_HOSTS[0].lower(), settings.LAB_DOMAIN.rpartition(":")[0] or settings.LAB_DOMAIN
    if portal == lab.lower() or portal.endswith(f".{lab.lower()}"):
        return [check_message(Error, f"The portal's host {portal} lies in LAB_DOMAIN ({lab}).", "portal.E001")]
    return []


@register()
def hooks(**_: Any) -> Sequence[CheckMessage]:
    """E002: a function in PORTAL_HOOKS cannot be imported."""
    found = []
    for event, paths in settings.PORTAL_HOOKS.items():
        for path in paths:
            try:
                import_string(path)
            except ImportError as error:
                found.append(check_message(Error, f"PORTAL_HOOKS[{event!r}]: {error}.", "portal.E002"))
    return found


@register()
def socket_paths(**_: Any) -> Sequence[CheckMessage]:
    """E003: the path of a Lab's socket below RUN_DIR is too long for a socket address."""
    length = len(str(settings.RUN_DIR / "lab" / f"{'0' * 32}.sock").encode())
    if length > LONGEST_SOCKET:
        message = f"COLLABORATORY_RUN is too long: a socket in it would have {length} of {LONGEST_SOCKET} bytes."
        return [check_message(Error, message, "portal.E003")]
    return []


@register(Tags.security, deploy=True)
def encrypted(**_: Any) -> Sequence[CheckMessage]:
    """W001: the site has no TLS."""
    if urlsplit(settings.PORTAL_URL).scheme == "https":
        return []
    return [check_message(Warning, "PORTAL_URL is not https: passwords travel in the clear.", "portal.W001")]


@register(deploy=True)
def mail(**_: Any) -> Sequence[CheckMessage]:
    """W002: mail is not sent."""
    places = {"console": "to the log, with its addresses and links", "filebased": "to files on this machine"}
    place = places.get(settings.EMAIL_BACKEND.split(".")[-2])
    if place is None:
        return []
    return [check_message(Warning, f"Mail is written {place}: nobody can confirm an address.", "portal.W002")]


@register(Tags.security)
def metrics_token(**_: Any) -> Sequence[CheckMessage]:
    """E004: METRICS_TOKEN is too short."""
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= SHORTEST_TOKEN:
        return []
    message = f"METRICS_TOKEN has {len(settings.METRICS_TOKEN)} characters, fewer than {SHORTEST_TOKEN}."
    return [check_message(Error, message, "portal.E004")]
