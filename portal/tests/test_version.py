"""The version stands in one place, pyproject.toml; what else says it must agree."""

import re
from collections.abc import Callable

import pytest
import yaml
from django.conf import settings
from django.test import Client

from portal.models import User
from portal.ops import site_metrics
from portal.version import VERSION


def test_it_is_the_latest_release_of_the_changelog() -> None:
    headings = re.findall(r"^## (.+)$", (settings.BASE_DIR / "CHANGELOG.md").read_text(), re.M)
    releases = [heading.partition(" – ") for heading in headings if heading != "Unreleased"]
    assert releases[0][0] == VERSION
    assert [date for _, _, date in releases] == sorted((date for _, _, date in releases), reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, _, date in releases)


def test_it_is_the_one_to_cite() -> None:
    citation = yaml.safe_load((settings.BASE_DIR / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (VERSION, "MIT")
    [date] = re.findall(rf"^## {re.escape(VERSION)} – (.+)$", (settings.BASE_DIR / "CHANGELOG.md").read_text(), re.M)
    assert str(citation["date-released"]) == date
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


@pytest.mark.django_db
def test_it_is_said_to_everybody(client: Client) -> None:
    assert f"Version {VERSION}" in client.get("/").content.decode()
    assert client.get("/readyz").json()["version"] == VERSION


@pytest.mark.slow
@pytest.mark.django_db
def test_it_is_said_to_programs_and_operators(
    client: Client, operator: User, sign_in: Callable[[User], Client]
) -> None:
    assert client.get("/api/v1/openapi.json").json()["info"]["version"] == VERSION
    assert site_metrics.build()["version"] == VERSION
    assert f"Collaboratory {VERSION}" in sign_in(operator).get("/admin/").content.decode()
