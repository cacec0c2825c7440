"""Settings that cannot be right are named before anybody is hurt by them."""

import pytest
from pytest_django import Settings

from lab import checks


@pytest.mark.parametrize(
    ("check", "changes", "found"),
    [
        (checks.launcher, {}, []),
        (checks.launcher, {"LAB_LAUNCHER": "docker"}, ["lab.E001"]),
        (checks.launcher, {"LAB_LAUNCHER": "unisolated", "DEBUG": False}, ["lab.E002"]),
        (checks.launcher, {"LAB_LAUNCHER": "unisolated", "DEBUG": True}, ["lab.W001"]),
        (checks.limits, {}, []),
        (checks.limits, {"LAB_NETWORK": "host"}, ["lab.E003"]),
        (checks.limits, {"LAB_GIT_PRIVATE_HOSTS": ["git.example"], "LAB_NETWORK_ALLOWED": ()}, ["lab.W004"]),
        (checks.limits, {"LAB_GIT_PRIVATE_HOSTS": ["git.example"], "LAB_NETWORK_ALLOWED": ("10.1.0.0/16",)}, []),
        (checks.limits, {"LAB_BUILD_NETWORK": "none"}, ["lab.E008"]),
        (checks.limits, {"LAB_BUILD_NETWORK": "host"}, ["lab.W006"]),
        (checks.limits, {"LAB_IDLE_LIMIT": 0}, ["lab.E004"]),
        (checks.limits, {"LAB_MAX_AGE": 60}, ["lab.W002"]),
        (checks.sessions, {}, []),
        (checks.sessions, {"SESSION_ENGINE": "django.contrib.sessions.backends.cache"}, ["lab.E005"]),
    ],
)
def test_it_finds(settings: Settings, check, changes: dict, found: list[str]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert [message.id for message in check()] == found


def test_it_says_where_system_calls_are_not_filtered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.system_calls() == []
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert [message.id for message in checks.system_calls()] == ["lab.W005"]
    settings.LAB_LAUNCHER = "jupyterhub"
    assert checks.system_calls() == []
