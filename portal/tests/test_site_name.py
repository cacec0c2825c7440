"""The site's name, SITE_NAME: nothing that people read calls the site otherwise."""

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.test import Client
from pytest_django import Settings

from collabs.emails import invitation_mail
from collabs.models import Collab, Invitation, Role
from portal.models import User
from portal.tests.support import COLLAB, SIGNED_IN, VISITOR
from portal.web import views_errors

sys.path.insert(0, str(site_settings.BASE_DIR / "bin/lib"))

import nginx

SOFTWARE = "Collaboratory"
NAME = "Neuro “Hub” & $Co"
SHOWN = "Neuro “Hub” &amp; $Co"
ADMIN = ["/admin/", "/admin/portal/user/", "/admin/portal/user/add/", "/no/such/page"]
POWERED_BY = re.compile(rf"Powered by {SOFTWARE} [\d.]+")
ALLOWED = {
    "portal/settings.py": "the default of SITE_NAME",
    "bin/lib/nginx.py": "the default of SITE_NAME",
    "deploy/jupyterhub/collaboratory_hub.py": "the default of SITE_NAME",
    "templates/admin/base_site.html": "the version of the software, for operators",
}
"""Files that may say the software's name to people, and why."""
COMMAND_LINES = ("backups/", "bench/", "keeping/")
"""Programs for who runs the software: these speak of it."""


@pytest.fixture(autouse=True)
def another_name(settings: Settings) -> None:
    settings.SITE_NAME = NAME
    settings.ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{NAME}] "


def check(content: bytes, address: str = "") -> None:
    text = POWERED_BY.sub("", content.decode())
    assert SOFTWARE not in text, address
    assert SHOWN in text, address


@pytest.mark.parametrize("address", VISITOR)
def test_it_names_the_site_on_visitors_pages(client: Client, db: None, address: str) -> None:
    check(client.get(address).content, address)


@pytest.mark.slow
def test_it_names_the_site_on_ones_own_pages(owner: User, collab: Collab, sign_in: Callable[[User], Client]) -> None:
    browser = sign_in(owner)
    for address in [*SIGNED_IN, *(f"/collabs/{collab.slug}/{page}" for page in COLLAB), "/api/v1/docs"]:
        check(browser.get(address).content, address)


def test_it_names_the_site_in_the_administration(operator: User, sign_in: Callable[[User], Client]) -> None:
    browser = sign_in(operator)
    for address in ADMIN:
        check(browser.get(address).content, address)
    assert POWERED_BY.search(browser.get("/admin/").content.decode())


@pytest.mark.parametrize(("template", "status"), [("400.html", 400), ("500.html", 500), ("503.html", 503)])
def test_it_names_the_site_where_nothing_works(template: str, status: int) -> None:
    check(views_errors.plain(template, status).content)


def test_it_names_the_site_on_a_labs_origin(client: Client, db: None) -> None:
    """Its pages have no header; they must not say the other name either."""
    response = client.get("/_gateway/lab/enter", {"ticket": "none"}, headers={"X-Lab-User": "owner"})
    assert response.status_code == 403
    assert SOFTWARE not in response.content.decode()


@pytest.mark.slow
def test_it_names_the_site_in_the_apis_document(client: Client) -> None:
    assert client.get("/api/v1/openapi.json").json()["info"]["title"] == NAME


def test_it_names_the_site_in_mails(owner: User, collab: Collab, client: Client) -> None:
    client.post("/account/password/reset/", {"email": owner.email})
    assert [message.subject.startswith(f"[{NAME}] ") for message in mail.outbox] == [True]
    invitation = Invitation(collab=collab, role=Role.VIEWER, email="ada@example.org")
    mail.outbox.append(invitation_mail(invitation, "token"))
    for message in mail.outbox:
        assert NAME in str(message.subject) + str(message.body)
        assert SOFTWARE not in str(message.subject) + str(message.body)


@pytest.mark.parametrize("name", [NAME, 'A \\ B "C" {x}', "One\nline; two"])
def test_it_gives_nginx_the_name_as_one_word(name: str, tmp_path: Path) -> None:
    word = nginx.quoted(name)
    assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', word)
    assert "\n" not in word


@pytest.mark.slow
def test_no_template_and_no_sentence_of_the_code_names_the_site_otherwise() -> None:
    root = site_settings.BASE_DIR
    pages = [path for place in ("templates", "deploy") for path in (root / place).rglob("*") if path.is_file()]
    named = {path for path in pages if path.suffix in (".html", ".txt") and SOFTWARE in path.read_text()}
    code = [path.parent for path in root.glob("*/__init__.py")]
    for folder in [*code, root / "bin/lib", root / "deploy/jupyterhub"]:
        named |= {path for path in folder.rglob("*.py") if "tests" not in path.parts and _says_it(path)}
    found = {str(path.relative_to(root)) for path in named}
    assert {name for name in found if not name.startswith(COMMAND_LINES)} == set(ALLOWED)


def _says_it(path: Path) -> bool:
    """True if a string of this code that is no docstring has the software's name in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    firsts = [node.body[0] for node in nodes if isinstance(node, documented) and node.body]
    docstrings = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
    words = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(SOFTWARE in str(node.value) for node in words if id(node) not in docstrings)
