"""Audit entries in people's words, all of them, on every page where operators read them."""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from portal import audit
from portal.audit_sentences import MOST, PHRASES, phrase, sentences
from portal.models import AuditEntry, User

NO_ACTIONS = {"lab.view_server", "lab.change_grouplimits", "account.json"}
NAME = re.compile(
    r"(account|announcement|collab|file|group|identity|lab|library|link|quota|task|upload_link)(\.[a-z_-]+)+"
)


def recorded() -> Iterator[str]:
    """Names of actions, in every module that records some."""
    for path in settings.BASE_DIR.rglob("*.py"):
        parts = path.relative_to(settings.BASE_DIR).parts
        if {"tests", "var", "node_modules", ".git"} & set(parts):
            continue
        text = path.read_text()
        if "audit.record(" in text:
            values = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
            names = [value for value in values if isinstance(value, str) and NAME.fullmatch(value)]
            yield from (name for name in names if not name.startswith("lab.tasks.") and name not in NO_ACTIONS)


def test_it_has_words_for_everything_that_is_recorded() -> None:
    assert set(PHRASES) == set(recorded())


def test_words_are_none_of_the_names() -> None:
    assert not [text for text in PHRASES.values() if re.search(r"\w[._]\w", text)]
    assert len(set(PHRASES.values())) == len(PHRASES)


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({}, ""),
        ({"user": "ada", "before": "viewer", "role": "editor"}, "role from viewer to editor; user ada"),
        ({"before": "Data", "after": "Data 2"}, "from Data to Data 2"),
        (
            {"before": {"title": "A", "is_public": False}, "after": {"title": "A", "is_public": True}},
            "is public from no to yes",
        ),
        ({"fields": ["first_name", "email"]}, "changed first_name, email"),
        ({"until": None, "password": True}, "password yes; until none"),
        ({"before": {"title": "A"}, "after": None}, "from title A to none"),
        (
            {"bytes": 0, "files": 0.0, "on": False, "tags": [], "why": ""},
            "bytes 0; files 0; on no; tags none; why none",
        ),
        ({"limits": {"memory_mib": 4}}, "limits memory in MiB 4"),
        ({"before": None, "role": "viewer", "group": "staff"}, "role from none to viewer; group staff"),
    ],
)
def test_it_says_details_as_people_do(details: dict[str, Any], text: str) -> None:
    assert sentences(details) == text


def test_it_shows_the_beginning_of_what_is_long() -> None:
    assert len(sentences({"text": "x" * 10_000})) == len("text ") + MOST


def test_an_action_of_another_version_stands_for_itself() -> None:
    assert phrase("lab.moon.landed") == "lab.moon.landed"


@pytest.fixture
def pages(operator: User, owner: User, sign_in: Callable[[User], Client]) -> dict[str, str]:
    """Where operators read what was done."""
    audit.record(operator, "account.rights.changed", owner, staff=True, name="<b>bold</b>", before="a", after="b")
    entry = AuditEntry.objects.latest("pk")
    addresses = {
        "first page": "/admin/",
        "list": "/admin/portal/auditentry/",
        "entry": f"/admin/portal/auditentry/{entry.pk}/change/",
        "person": f"/admin/portal/user/{owner.pk}/change/",
    }
    client = sign_in(operator)
    return {name: client.get(address).text for name, address in addresses.items()}


def test_operators_read_words_everywhere(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        assert "changed the rights of an operator" in page, name
        assert "<b>bold" not in page, name
        assert ("account.rights.changed" in page) is (name in ("entry", "list")), name
        if name != "first page":
            assert "from a to b; name &lt;b&gt;bold&lt;/b&gt;; staff yes" in page, name


def test_it_finds_entries_by_what_was_done(operator: User, owner: User, sign_in: Callable[[User], Client]) -> None:
    for verb in ("account.activated", "account.changed"):
        audit.record(operator, verb, owner)
    page = sign_in(operator).get("/admin/portal/auditentry/?verb=account.activated")
    assert [entry.verb for entry in page.context["cl"].result_list] == ["account.activated"]
    assertContains(page, ">changed the account</a>")
    assertNotContains(page, ">account.changed</a>")
