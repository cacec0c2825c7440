"""A site that is set up wrongly is told so before it starts."""

import re
from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.core.checks import run_checks
from pytest_django import Settings

from portal.ops import checks


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
    settings.PORTAL_HOOKS = {"user_created": ["drive.libraries.services.no_such_function"]}
    assert [found.id for found in checks.hooks()] == ["portal.E002"]


def test_it_finds_sockets_whose_address_is_too_long(settings: Settings) -> None:
    settings.RUN_DIR = Path("/run/" + "x" * 80)
    assert [found.id for found in checks.socket_paths()] == ["portal.E003"]
    settings.RUN_DIR = Path("/run/collaboratory")
    assert checks.socket_paths() == []


@pytest.mark.parametrize("backend", ["console", "filebased"])
def test_it_wants_encryption_and_mail_on_the_internet(settings: Settings, backend: str) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    assert [found.id for found in (*checks.encrypted(), *checks.mail())] == ["portal.W001", "portal.W002"]
    settings.PORTAL_URL = "https://portal.example.org"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert [*checks.encrypted(), *checks.mail()] == []


def test_it_wants_a_token_that_nobody_guesses(settings: Settings) -> None:
    settings.METRICS_TOKEN = "short"
    assert [found.id for found in checks.metrics_token()] == ["portal.E004"]
    for good in ("", "x" * checks.SHORTEST_TOKEN):
        settings.METRICS_TOKEN = good
        assert checks.metrics_token() == []


def ids_in_the_code() -> set[str]:
    """Every id that a check of ours can give."""
    found = set()
    base = site_settings.BASE_DIR
    for path in [*base.glob("*/checks.py"), *base.glob("*/*/checks.py")]:
        found |= set(re.findall(r'"([a-z]+\.[EW]\d{3})"', path.read_text()))
    return found


def test_it_explains_every_id_and_no_other() -> None:
    text = (site_settings.BASE_DIR / "docs/reference/checks.md").read_text()
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sorted(sections) == sorted(ids_in_the_code())
    for section in text.split("\n## ")[1:]:
        assert len(section.split()) > 12, section  # what it means, and what to do


def test_it_knows_all_places_where_checks_are() -> None:
    for path in site_settings.BASE_DIR.glob("*/**/*.py"):
        code = path.relative_to(site_settings.BASE_DIR)
        if code.parts[0] in ("var", "bench") or "tests" in code.parts or path.name == "checks.py":
            continue
        assert "core.checks import" not in path.read_text(), path


def test_it_names_the_section_in_every_hint(settings: Settings) -> None:
    settings.ALLOWED_HOSTS, settings.LAB_DOMAIN = ["lab.example.org"], "lab.example.org"
    settings.LAB_NETWORK, settings.LAB_LAUNCHER, settings.LAB_IDLE_LIMIT = "bridge", "none", 0
    settings.VERSION_KEEP, settings.METRICS_TOKEN = ["soon"], "short"
    settings.RUN_DIR = Path("/run/" + "x" * 80)
    ours = [found for found in run_checks(include_deployment_checks=True) if found.id in ids_in_the_code()]
    assert len(ours) >= 7
    for found in ours:
        assert found.hint == f"See docs/reference/checks.md#{str(found.id).replace('.', '').lower()}"
