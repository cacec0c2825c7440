"""What can be wrong with the Lab's settings; docs/reference/checks.md explains each id."""

import importlib
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from .launchers import LAUNCHERS


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


@register()
def limits(**_: Any) -> list[CheckMessage]:
    """Values that make sense."""
    found: list[CheckMessage] = []
    if settings.LAB_NETWORK not in ("slirp4netns", "none"):
        found.append(Error(f"LAB_NETWORK is {settings.LAB_NETWORK!r}, not slirp4netns or none.", id="lab.E003"))
    for name in ("LAB_IDLE_LIMIT", "LAB_MAX_AGE", "LAB_START_TIMEOUT"):
        if getattr(settings, name) <= 0:
            found.append(Error(f"{name} must be more than 0 seconds.", id="lab.E004"))
    if settings.LAB_MAX_AGE < settings.LAB_IDLE_LIMIT:
        found.append(Warning("LAB_MAX_AGE is shorter than LAB_IDLE_LIMIT.", id="lab.W002"))
    return found


@register(Tags.security)
def sessions(**_: Any) -> list[CheckMessage]:
    """A pass into a Lab dies with its session because their rows are compared."""
    if issubclass(importlib.import_module(settings.SESSION_ENGINE).SessionStore, DatabaseSessions):
        return []
    return [Error("SESSION_ENGINE must keep sessions in the database: passes into Labs end with them.", id="lab.E005")]
