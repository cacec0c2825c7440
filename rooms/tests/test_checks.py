"""The system checks of rooms."""

from django.core.checks import run_checks
from pytest_django import Settings


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("rooms.")]


def test_they_have_nothing_to_say_of_a_good_site(settings: Settings) -> None:
    assert ids() == []
    settings.ROOMS_ROOT.rmdir()  # the process makes it
    assert ids() == []


def test_they_find_a_place_for_journals_that_cannot_be_written(settings: Settings) -> None:
    settings.ROOMS_ROOT.chmod(0o500)
    assert ids() == ["rooms.E001"]
    settings.COEDITING = False
    assert ids() == []
    settings.ROOMS_ROOT.chmod(0o700)


def test_they_say_that_labs_on_a_hub_do_not_lead_to_rooms(settings: Settings) -> None:
    settings.LAB_LAUNCHER = "jupyterhub"
    assert ids() == ["rooms.W001"]
    settings.COEDITING = False
    assert ids() == []
