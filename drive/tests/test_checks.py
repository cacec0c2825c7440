"""The Drive's system checks."""

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from drive.storage import layout, openat2


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("drive.")]


def test_it_has_nothing_to_say_of_a_good_site() -> None:
    assert ids() == []
    assert list(layout.staging().iterdir()) == []


@pytest.mark.parametrize("rule", ["1d", "d:1", "1w:all", ":", "1d:x"])
def test_it_finds_a_rule_that_cannot_be_read(settings: Settings, rule: str) -> None:
    settings.VERSION_KEEP = [rule]
    assert ids() == ["drive.E001"]


def test_it_finds_a_disk_that_cannot_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(22, "Invalid argument, as NFS says")

    monkeypatch.setattr(openat2, "rename", refuse)
    assert ids() == ["drive.E002"]
    assert list(layout.staging().iterdir()) == []
