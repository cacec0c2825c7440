"""What can be wrong with the Lab's settings; docs/reference/checks.md explains each id."""

import importlib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from .launchers import LAUNCHERS

SOCKET_BYTES = 107
"""The longest address of a unix socket, unix(7)."""


@register(Tags.security)
def launcher(**_: Any) -> list[CheckMessage]:
    """A launcher that exists, and that isolates wherever others can sign up."""
    if settings.LAB_LAUNCHER not in LAUNCHERS:
        names = ", ".join(sorted(LAUNCHERS))
        return [Error(f"LAB_LAUNCHER is {settings.LAB_LAUNCHER!r}, not one of {names}.", id="lab.E001")]
    if settings.LAB_LAUNCHER == "unisolated" and not settings.DEBUG:
        return [Error("LAB_LAUNCHER=unisolated gives everybody's notebooks the portal's own rights.", id="lab.E002")]
    if settings.LAB_LAUNCHER == "unisolated":
        return [Warning("Labs are not isolated: whoever signs in can read all that the portal can.", id="lab.W001")]
    return []


@register(Tags.security)
def origins(**_: Any) -> list[CheckMessage]:
    """The portal must not be one of the Labs, nor a parent whose cookies they get."""
    portal, lab = (
        urlsplit(settings.PORTAL_URL).hostname or "",
        settings.LAB_DOMAIN.rpartition(":")[0] or settings.LAB_DOMAIN,
    )
    if portal == lab or portal.endswith(f".{lab}"):
        hint = "Give the Lab a domain that the portal is not in, such as lab.example.org for www.example.org."
        return [Error(f"The portal ({portal}) lies in the Lab's domain ({lab}).", hint=hint, id="lab.E003")]
    return []


@register()
def limits(**_: Any) -> list[CheckMessage]:
    """Values that make sense."""
    found: list[CheckMessage] = []
    if settings.LAB_NETWORK not in ("slirp4netns", "none"):
        found.append(Error(f"LAB_NETWORK is {settings.LAB_NETWORK!r}, not slirp4netns or none.", id="lab.E004"))
    for name in ("LAB_IDLE_LIMIT", "LAB_MAX_AGE", "LAB_START_TIMEOUT"):
        if getattr(settings, name) <= 0:
            found.append(Error(f"{name} must be more than 0 seconds.", id="lab.E005"))
    if settings.LAB_MAX_AGE < settings.LAB_IDLE_LIMIT:
        found.append(Warning("LAB_MAX_AGE is shorter than LAB_IDLE_LIMIT.", id="lab.W002"))
    return found


@register()
def sockets(**_: Any) -> list[CheckMessage]:
    """A server's socket must have an address that a unix socket can have."""
    longest = settings.RUN_DIR / "lab" / f"{'0' * 32}.sock"
    if len(str(longest).encode()) <= SOCKET_BYTES:
        return []
    return [Error(f"COLLABORATORY_RUN is too long a path for sockets: {longest}", id="lab.E006")]


@register(Tags.security)
def sessions(**_: Any) -> list[CheckMessage]:
    """A pass into a Lab dies with its session because their rows are compared."""
    if issubclass(importlib.import_module(settings.SESSION_ENGINE).SessionStore, DatabaseSessions):
        return []
    return [Error("SESSION_ENGINE must keep sessions in the database: passes into Labs end with them.", id="lab.E007")]
