"""Connecting a program: a token that may no more than was chosen, and lines with the site's own address."""

import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from api.models import Scope, Token
from collabs.models import Collab
from drive.libraries import services
from portal.models import User

from .test_tokens import at_browser, bearer

pytestmark = pytest.mark.django_db
PAGE, NEW = "/account/connect/", "/account/connect/new/"
SignIn = Callable[[User], Client]


def test_it_shows_lines_for_each_program_with_the_sites_address(sign_in: SignIn, owner: User) -> None:
    said = sign_in(owner).get(PAGE).content.decode()
    for line in (
        "vendor=owncloud url=http://localhost:8000/dav user=owner pass=TOKEN --obscure",
        'net use * "http://localhost:8000/dav/" /user:owner TOKEN',
        "dav://localhost:8000/dav/",
        'sudo mount -t davfs "http://localhost:8000/dav/"',
        'rclone sync results "collaboratory:My Libraries/My Library/results"',
        'rclone bisync results "collaboratory:My Libraries/My Library/results" --resync',
        'cadaver "http://localhost:8000/dav/"',
        "curl -u owner:TOKEN -T data.csv",
        'client = DriveApiClient(token="TOKEN")',
        'client.server = "http://localhost:8000"',
        "repo = client.repos.get_default_repo()",
        "rclone config create seafile seafile url=http://localhost:8000 user=owner pass=TOKEN --obscure",
        'rclone lsf "seafile:My Library"',
        "This site has no https",
    ):
        assert line in unescape(said), line
    assert not Token.objects.exists()


def test_it_shows_the_lines_of_one_library(sign_in: SignIn, viewer: User, stranger: User, collab: Collab) -> None:
    address = f"{PAGE}?library={collab.library.pk}"
    said = sign_in(viewer).get(address).content.decode()
    assert "http://localhost:8000/dav/Shared%20with%20groups/Cortex" in said
    assert "collaboratory:Shared with groups/Cortex/results" in unescape(said)
    assert f'repo = client.repos.get_repo("{collab.library.pk}")' in unescape(said)
    assert 'rclone lsf "seafile:Cortex"' in unescape(said)
    assert sign_in(stranger).get(address).status_code == 404
    assert f"{PAGE}?library={collab.library.pk}" in sign_in(viewer).get("/collabs/cortex/files/").content.decode()
    assert address in sign_in(viewer).get(f"/drive/{collab.library.pk}/").content.decode()


@pytest.mark.parametrize("name", ["$(touch x)", "`id`", 'a"; id; "', "it's", "a\\"])
def test_it_lets_no_name_of_a_library_run_in_the_readers_shell(sign_in: SignIn, owner: User, name: str) -> None:
    library = services.create_library(owner, name)
    said = unescape(sign_in(owner).get(f"{PAGE}?library={library.pk}").content.decode())
    blocks = re.findall(r"<pre[^>]*>(rclone config.*?)</pre>", said, re.DOTALL)
    assert len(blocks) == 2
    for block, place in zip(blocks, (f"collaboratory:My Libraries/{name}", f"seafile:{name}"), strict=True):
        config, listing, *_others = block.splitlines()
        shell = subprocess.run(
            ["sh", "-c", f"printf %s {listing.removeprefix('rclone lsf ')}"], capture_output=True, text=True, check=True
        )
        assert shell.stdout == place
        assert name not in config


def test_it_encrypts_where_the_site_does(sign_in: SignIn, owner: User, settings: object) -> None:
    settings.PORTAL_URL = "https://portal.example.org"  # type: ignore[attr-defined]
    said = sign_in(owner).get(PAGE).content.decode()
    assert "davs://portal.example.org/dav/" in said
    assert "no https" not in said


def test_it_makes_a_token_for_one_library(owner: User, collab: Collab) -> None:
    browser, mine = at_browser(owner), services.create_library(owner, "Mine")
    address = f"{NEW}?library={collab.library.pk}"
    form = browser.get(address).context["form"]
    assert (form["reach"].value(), form["libraries"].value()) == ("some", [str(collab.library.pk)])
    data = {"name": "rclone", "may": "r", "reach": "some", "libraries": [str(collab.library.pk)], "days": 30}
    shown = browser.post(address, data)
    secret = shown.context["secret"]
    assert f"pass={secret} --obscure" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    token = Token.objects.get()
    assert (token.scopes, token.libraries) == (["read"], [str(collab.library.pk)])
    assert token.expires_at < timezone.now() + timedelta(days=31)
    assert Client().get(f"/api/v1/libraries/{collab.library.pk}", headers=bearer(secret)).status_code == 200
    assert Client().get(f"/api/v1/libraries/{mine.pk}", headers=bearer(secret)).status_code == 404
    assert secret not in browser.get("/account/tokens/").content.decode()
    assert "in 1 library" in browser.get("/account/tokens/").content.decode()


def test_it_makes_a_token_for_everything(owner: User) -> None:
    at_browser(owner).post(NEW, {"name": "rclone", "may": "rw", "reach": "all", "days": 30})
    token = Token.objects.get()
    assert (token.scopes, token.libraries) == ([Scope.READ, Scope.WRITE], None)


@pytest.mark.parametrize(
    "wrong",
    [{"reach": "some"}, {"may": "everything"}, {"name": ""}, {"days": 9999}, {"reach": "some", "libraries": "x"}],
)
def test_it_makes_no_token_that_was_not_meant(owner: User, wrong: dict) -> None:
    data = {"name": "rclone", "may": "rw", "reach": "all", "days": 30} | wrong
    assert at_browser(owner).post(NEW, data).status_code == 422
    assert not Token.objects.exists()


def test_it_offers_no_library_that_the_person_does_not_see(stranger: User, collab: Collab) -> None:
    browser, hidden = at_browser(stranger), str(collab.library.pk)
    data = {"name": "rclone", "may": "r", "reach": "some", "libraries": [hidden], "days": 30}
    assert hidden not in browser.get(NEW).content.decode()
    assert browser.post(NEW, data).status_code == 422
    assert browser.get(f"{NEW}?library={hidden}").status_code == 404


def test_it_offers_a_public_library_from_its_own_page(stranger: User, public_collab: Collab) -> None:
    library = str(public_collab.library.pk)
    data = {"name": "rclone", "may": "r", "reach": "some", "libraries": [library], "days": 30}
    assert at_browser(stranger).post(f"{NEW}?library={library}", data).status_code == 200


def test_it_asks_for_the_password_before_it_makes_one(sign_in: SignIn, owner: User) -> None:
    for answer in (sign_in(owner).get(NEW), sign_in(owner).post(NEW, {})):
        assert "/account/reauthenticate/" in answer["Location"]
