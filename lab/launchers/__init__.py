"""The ways to run a server. `get_launcher()` gives the one that the settings choose."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .base import Launcher, LauncherUnavailableError, LaunchFailedError, LaunchSpec, Mount, ServerStatus

__all__ = [
    "LaunchFailedError",
    "LaunchSpec",
    "Launcher",
    "LauncherUnavailableError",
    "Mount",
    "ServerStatus",
    "get_launcher",
]

LAUNCHERS = {
    "sandbox": "lab.launchers.sandbox.SandboxLauncher",
    "jupyterhub": "lab.launchers.jupyterhub.JupyterHubLauncher",
    "unisolated": "lab.launchers.unisolated.UnisolatedLauncher",
}


@cache
def _launcher(name: str) -> Launcher:
    if name not in LAUNCHERS:
        raise ImproperlyConfigured(f"LAB_LAUNCHER is one of {', '.join(LAUNCHERS)}, not {name!r}.")
    return import_string(LAUNCHERS[name])()


def get_launcher() -> Launcher:
    """The launcher that `settings.LAB_LAUNCHER` names."""
    return _launcher(settings.LAB_LAUNCHER)


def forget() -> None:
    """Make the launcher anew at the next `get_launcher()`: LAUNCHERS has changed."""
    _launcher.cache_clear()
