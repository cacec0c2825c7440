"""System checks of the Lab's settings; docs/reference/checks.md explains each id."""

import importlib
import platform
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from portal.ops.checks import check_message
from portal.sandboxing import seccomp

from .launchers import LAUNCHERS, LauncherUnavailableError
from .servers.limits import missing_limits, wanted_limits

SECRET_LENGTH = 32


@register(Tags.security)
def launcher(**_: Any) -> list[CheckMessage]:
    """A launcher that exists, and that isolates wherever others can sign up."""
    if settings.LAB_LAUNCHER not in LAUNCHERS:
        names = ", ".join(sorted(LAUNCHERS))
        return [check_message(Error, f"LAB_LAUNCHER is {settings.LAB_LAUNCHER!r}, not one of {names}.", "lab.E001")]
    if settings.LAB_LAUNCHER == "unisolated" and not settings.DEBUG:
        return [
            check_message(
                Error, "LAB_LAUNCHER=unisolated gives everybody's notebooks the portal's own rights.", "lab.E002"
            )
        ]
    if settings.LAB_LAUNCHER == "jupyterhub":
        return _hub()
    if settings.LAB_LAUNCHER == "unisolated":
        return [
            check_message(
                Warning, "Labs are not isolated: whoever signs in can read all that the portal can.", "lab.W001"
            )
        ]
    return []


def _hub() -> list[CheckMessage]:
    lacking = [name for name in ("LAB_HUB_URL", "LAB_HUB_TOKEN") if not getattr(settings, name)]
    if len(settings.LAB_HUB_SECRET) < SECRET_LENGTH:
        lacking.append(f"LAB_HUB_SECRET (of {SECRET_LENGTH} characters at least)")
    said = f"LAB_LAUNCHER=jupyterhub needs {', '.join(lacking)}."
    return [check_message(Error, said, "lab.E007")] if lacking else []


@register()
def limits(**_: Any) -> list[CheckMessage]:
    """Values that make sense."""
    found: list[CheckMessage] = []
    if settings.LAB_NETWORK not in ("slirp4netns", "none"):
        found.append(
            check_message(Error, f"LAB_NETWORK is {settings.LAB_NETWORK!r}, not slirp4netns or none.", "lab.E003")
        )
    private_hosts = [host for host in settings.LAB_GIT_PRIVATE_HOSTS if host not in ("localhost", "127.0.0.1")]
    if private_hosts and not settings.LAB_NETWORK_ALLOWED:
        said = "LAB_GIT_PRIVATE_HOSTS names hosts in private networks, of which LAB_NETWORK_ALLOWED allows none."
        found.append(check_message(Warning, said, "lab.W004"))
    if settings.LAB_BUILD_NETWORK not in ("slirp4netns", "host"):
        said = f"LAB_BUILD_NETWORK is {settings.LAB_BUILD_NETWORK!r}, not slirp4netns or host."
        found.append(check_message(Error, said, "lab.E008"))
    if settings.LAB_BUILD_NETWORK == "host":
        said = "Packages that are built for environments reach all that listens on this machine, on loopback too."
        found.append(check_message(Warning, said, "lab.W006"))
    for name in ("LAB_IDLE_LIMIT", "LAB_MAX_AGE", "LAB_START_TIMEOUT"):
        if getattr(settings, name) <= 0:
            found.append(check_message(Error, f"{name} must be more than 0 seconds.", "lab.E004"))
    if settings.LAB_MAX_AGE < settings.LAB_IDLE_LIMIT:
        found.append(check_message(Warning, "LAB_MAX_AGE is shorter than LAB_IDLE_LIMIT.", "lab.W002"))
    for what in ("MEMORY_LIMIT", "CPU_LIMIT", "PROCESS_LIMIT", "DISK_LIMIT", "FILE_LIMIT", "MAX_SERVERS"):
        name = f"LAB_{what}"
        if getattr(settings, name) < 0:
            found.append(check_message(Error, f"{name} must not be less than 0.", "lab.E006"))
    return found


@register(deploy=True)
def limits_kept(**_: Any) -> list[CheckMessage]:
    """Limits that the settings ask for and this machine's kernel does not keep, as the supervisor says."""
    if not wanted_limits():
        return []
    try:
        lacking = [what for what in missing_limits() if what != "uid"]
    except LauncherUnavailableError as error:
        said = f"Whether this machine limits what a Lab takes is not known. {error}"
        return [check_message(Warning, said, "lab.W003")]
    said = f"This machine does not limit what a Lab takes of: {', '.join(lacking)}."
    return [check_message(Warning, said, "lab.W003")] if lacking else []


@register()
def system_calls(**_: Any) -> list[CheckMessage]:
    """A filter of system calls for sandboxes on this kind of processor."""
    if settings.LAB_LAUNCHER != "sandbox" or seccomp.program() is not None:
        return []
    said = f"Sandboxes have no filter of system calls on this kind of processor ({platform.machine()})."
    return [check_message(Warning, said, "lab.W005")]


@register(deploy=True)
def uids(**_: Any) -> list[CheckMessage]:
    """A uid of the kernel for each Lab, as the supervisor says; lab.W003 says when that does not answer."""
    try:
        is_missing = "uid" in missing_limits()
    except LauncherUnavailableError:
        return []
    said = "All Labs share the portal's user id, and what the kernel limits per user."
    return [check_message(Warning, said, "lab.W007")] if is_missing else []


@register(Tags.security)
def sessions(**_: Any) -> list[CheckMessage]:
    """A pass into a Lab dies with its session because their rows are compared."""
    if issubclass(importlib.import_module(settings.SESSION_ENGINE).SessionStore, DatabaseSessions):
        return []
    return [
        check_message(
            Error, "SESSION_ENGINE must keep sessions in the database: passes into Labs end with them.", "lab.E005"
        )
    ]
