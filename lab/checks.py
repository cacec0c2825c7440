"""What can be wrong with the Lab's settings; docs/reference/checks.md explains each id."""

import importlib
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from portal.checks import explained

from .launchers import LAUNCHERS


@register(Tags.security)
def launcher(**_: Any) -> list[CheckMessage]:
    """A launcher that exists, and that isolates wherever others can sign up."""
    if settings.LAB_LAUNCHER not in LAUNCHERS:
        names = ", ".join(sorted(LAUNCHERS))
        return [explained(Error, f"LAB_LAUNCHER is {settings.LAB_LAUNCHER!r}, not one of {names}.", "lab.E001")]
    if settings.LAB_LAUNCHER == "unisolated" and not settings.DEBUG:
        return [
            explained(Error, "LAB_LAUNCHER=unisolated gives everybody's notebooks the portal's own rights.", "lab.E002")
        ]
    if settings.LAB_LAUNCHER == "unisolated":
        return [
            explained(Warning, "Labs are not isolated: whoever signs in can read all that the portal can.", "lab.W001")
        ]
    return []


@register()
def limits(**_: Any) -> list[CheckMessage]:
    """Values that make sense."""
    found: list[CheckMessage] = []
    if settings.LAB_NETWORK not in ("slirp4netns", "none"):
        found.append(explained(Error, f"LAB_NETWORK is {settings.LAB_NETWORK!r}, not slirp4netns or none.", "lab.E003"))
    for name in ("LAB_IDLE_LIMIT", "LAB_MAX_AGE", "LAB_START_TIMEOUT"):
        if getattr(settings, name) <= 0:
            found.append(explained(Error, f"{name} must be more than 0 seconds.", "lab.E004"))
    if settings.LAB_MAX_AGE < settings.LAB_IDLE_LIMIT:
        found.append(explained(Warning, "LAB_MAX_AGE is shorter than LAB_IDLE_LIMIT.", "lab.W002"))
    return found


@register(Tags.security)
def sessions(**_: Any) -> list[CheckMessage]:
    """A pass into a Lab dies with its session because their rows are compared."""
    if issubclass(importlib.import_module(settings.SESSION_ENGINE).SessionStore, DatabaseSessions):
        return []
    return [
        explained(
            Error, "SESSION_ENGINE must keep sessions in the database: passes into Labs end with them.", "lab.E005"
        )
    ]
