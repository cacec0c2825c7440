"""A site that is set up wrongly is told so before it starts."""

from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.core.checks import run_checks
from pytest_django import Settings

from portal import checks


def test_it_finds_nothing_wrong_with_the_defaults(settings: Settings) -> None:
    settings.RUN_DIR = Path("/run/portal")  # a test's own directory can have too long a name
    assert [found for found in run_checks() if (found.id or "").startswith("portal.")] == []


@pytest.mark.parametrize(
    ("host", "lab", "wrong"),
    [
        ("localhost", "lab.localhost:8000", False),
        ("portal.example.org", "lab.example.org", False),
        ("example.org", "lab.example.org", False),
        ("lab.example.org", "lab.example.org:443", True),
        ("portal.lab.example.org", "LAB.example.org", True),
    ],
)
def test_it_keeps_the_portal_out_of_the_labs_domain(settings: Settings, host: str, lab: str, wrong: bool) -> None:
    settings.ALLOWED_HOSTS, settings.LAB_DOMAIN = [host], lab
    assert [found.id for found in checks.origins()] == (["portal.E001"] if wrong else [])


def test_it_finds_a_hook_that_is_not_there(settings: Settings) -> None:
    settings.PORTAL_HOOKS = {"user_created": ["drive.services.no_such_function"]}
    assert [found.id for found in checks.hooks()] == ["portal.E002"]


def test_it_finds_sockets_whose_address_is_too_long(settings: Settings) -> None:
    settings.RUN_DIR = Path("/run/" + "x" * 80)
    assert [found.id for found in checks.socket_paths()] == ["portal.E003"]
    settings.RUN_DIR = Path("/run/collaboratory")
    assert checks.socket_paths() == []


def test_it_wants_encryption_and_mail_on_the_internet(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert [found.id for found in (*checks.encrypted(), *checks.mail())] == ["portal.W001", "portal.W002"]
    settings.PORTAL_URL = "https://portal.example.org"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert [*checks.encrypted(), *checks.mail()] == []


def test_it_explains_every_id() -> None:
    text = (site_settings.BASE_DIR / "docs/reference/checks.md").read_text()
    source = Path(checks.__file__).read_text()
    for name in ("portal.E001", "portal.E002", "portal.E003", "portal.W001", "portal.W002"):
        assert f"## {name}\n" in text
        assert name in source
