"""The table of docs/explanation/access.md, walked: every page of a Collab by every kind of person."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django.asserts import assertContains

from collabs import services
from collabs.models import Collab, Role
from portal.models import User

OK, FOUND, FORBIDDEN, NONE = 200, 302, 403, 404
SIGN_IN = "sign in"
NUMBER = re.compile(r'<code>[0-9a-f]{32}</code>|name="csrfmiddlewaretoken" value="\w+"')
"""Of the request, on pages that say no."""

# What is asked for: method, address below the Collab's, form. `somebody` is a second viewer, `newcomer` no member.
READ = {"page": "", "team": "team/", "settings": "settings/", "suggest": "team/people/", "leaving": "team/leave/"}
CHANGE: dict[str, tuple[str, dict[str, str]]] = {
    "save": ("settings/", {"title": "Other title", "description": "", "is_public": ""}),
    "delete": ("settings/delete/", {"typed_title": "{title}"}),
    "add": ("team/add/", {"person": "newcomer", "role": "viewer"}),
    "change": ("team/somebody/role/", {"role": "editor"}),
    "remove": ("team/somebody/remove/", {}),
    "leave": ("team/leave/", {}),
    "archive": ("settings/archive/", {}),
}
ASKED = [*READ, *CHANGE]
ADMINISTER = ["settings", "suggest", "save", "delete", "add", "change", "remove", "archive"]

PEOPLE = ["anonymous", "inactive", "stranger", "viewer", "editor", "administrator"]

Row = dict[str, int | str]


def row(page: int | str, team: int | str, administer: int | str, leave: int | str) -> Row:
    leaving = OK if leave == FOUND else leave
    return {"page": page, "team": team, "leave": leave, "leaving": leaving} | dict.fromkeys(ADMINISTER, administer)


NOTHING = row(NONE, NONE, NONE, NONE)
MEMBER = row(OK, OK, FORBIDDEN, FOUND)
ADMINISTRATOR = row(OK, OK, FOUND, FOUND) | {"settings": OK, "suggest": OK}
VISITOR = row(OK, SIGN_IN, SIGN_IN, SIGN_IN)

TABLE: dict[tuple[str, bool], Row] = {
    ("anonymous", False): NOTHING,
    ("inactive", False): NOTHING,
    ("stranger", False): NOTHING,
    ("viewer", False): MEMBER,
    ("editor", False): MEMBER,
    ("administrator", False): ADMINISTRATOR,
    ("anonymous", True): VISITOR,
    ("inactive", True): VISITOR,
    ("stranger", True): row(OK, OK, FORBIDDEN, FORBIDDEN),
    ("viewer", True): MEMBER,
    ("editor", True): MEMBER,
    ("administrator", True): ADMINISTRATOR,
}


def cases() -> Iterator[tuple[str, bool, list[str]]]:
    """Requests that change nothing run in one test, each that changes something in its own."""
    for (who, public), expected in TABLE.items():
        changing = [asked for asked in CHANGE if expected[asked] == FOUND]
        yield who, public, [asked for asked in ASKED if asked not in changing]
        yield from ((who, public, [asked]) for asked in changing)


@pytest.fixture
def browser(
    owner: User, editor: User, viewer: User, stranger: User, person: Callable[..., User], sign_in: Callable
) -> Callable[[str, Collab], Client]:
    """The browser of one kind of person; the Collab has two more viewers, one of them deactivated."""

    def make(who: str, collab: Collab) -> Client:
        person("newcomer")
        services.add_member(owner, collab, person("somebody"), Role.VIEWER)
        gone = person("gone")
        services.add_member(owner, collab, gone, Role.VIEWER)
        people = {"administrator": owner, "editor": editor, "viewer": viewer, "stranger": stranger, "inactive": gone}
        client = sign_in(people[who]) if who != "anonymous" else Client()
        gone.is_active = False
        gone.save()
        return client

    return make


def ask(client: Client, collab: Collab, asked: str) -> Any:
    if asked in READ:
        return client.get(collab.get_absolute_url() + READ[asked])
    address, form = CHANGE[asked]
    data = {name: value.format(title=collab.title) for name, value in form.items()}
    return client.post(collab.get_absolute_url() + address, data)


@pytest.mark.parametrize(
    ("who", "public", "things"), list(cases()), ids=lambda value: "+".join(value) if isinstance(value, list) else None
)
def test_it_follows_the_table(
    who: str,
    public: bool,
    things: list[str],
    request: pytest.FixtureRequest,
    browser: Callable[[str, Collab], Client],
) -> None:
    subject = request.getfixturevalue("public_collab" if public else "collab")
    if who == "administrator" and things == ["leave"]:
        services.change_role(
            User.objects.get(username="owner"), subject, User.objects.get(username="editor"), Role.ADMINISTRATOR
        )
    client = browser(who, subject)
    before = state(subject)
    for asked in things:
        expected = TABLE[who, public][asked]
        response = ask(client, subject, asked)
        if expected == SIGN_IN:
            back = subject.get_absolute_url() + READ[asked] if asked in READ else "/"
            assert (response.status_code, response["Location"]) == (FOUND, f"/account/login/?next={quote(back)}")
        else:
            assert (asked, response.status_code) == (asked, expected)
        if expected == FORBIDDEN:
            right = "Only members" if asked in ("leave", "leaving") else "role of an administrator"
            assertContains(response, right, status_code=FORBIDDEN)
        changed = asked in CHANGE and expected == FOUND
        assert (asked, state(subject) != before) == (asked, changed)


def state(collab: Collab) -> object:
    row = Collab.all_objects.get(pk=collab.pk)
    return row.title, row.deleted_at, row.archived_at, sorted(row.memberships.values_list("user__username", "role"))


@pytest.mark.slow
def test_it_makes_a_private_collab_look_like_none(collab: Collab, stranger: User, sign_in: Callable) -> None:
    for client in (Client(), sign_in(stranger)):
        for asked in ASKED:
            real = ask(client, collab, asked)
            none = ask(client, Collab(slug="no-such-collab", title=collab.title), asked)
            assert real.status_code == none.status_code == NONE
            said = [NUMBER.sub("", response.content.decode().split("<main")[1]) for response in (real, none)]
            assert said[0] == said[1].replace("no-such-collab", collab.slug)


@pytest.mark.parametrize("asked", ASKED)
def test_it_hides_a_deleted_collab_from_its_own_team(
    asked: str, public_collab: Collab, owner: User, sign_in: Callable
) -> None:
    services.delete_collab(owner, public_collab)
    assert ask(sign_in(owner), public_collab, asked).status_code == NONE


def test_it_leads_back_after_signing_in(client: Client, public_collab: Collab, viewer: User) -> None:
    response = client.get(f"{public_collab.get_absolute_url()}team/")
    response = client.post(response["Location"], {"login": "viewer", "password": "correct-horse-battery"})
    assert response["Location"] == f"{public_collab.get_absolute_url()}team/"


def test_it_leads_back_to_the_form_when_the_session_ended(client: Client, public_collab: Collab) -> None:
    page = f"{public_collab.get_absolute_url()}team/?page=2"
    for referrer, back in ((f"http://testserver{page}", page), ("https://evil.example/", "/"), ("//evil.example", "/")):
        response = client.post(f"{public_collab.get_absolute_url()}team/leave/", headers={"Referer": referrer})
        assert response["Location"] == f"/account/login/?next={quote(back)}"


def test_it_offers_visitors_to_sign_in_where_they_see_nothing(client: Client, collab: Collab, viewer: User) -> None:
    address = f"{collab.get_absolute_url()}team/"
    assertContains(client.get(address), f"/account/login/?next={address}", status_code=NONE)
    client.force_login(viewer)
    assert client.get(address).status_code == OK


def test_it_shows_names_but_no_actions_to_a_stranger(public_collab: Collab, stranger: User, sign_in: Callable) -> None:
    html = sign_in(stranger).get(f"{public_collab.get_absolute_url()}team/").content.decode()
    assert "Olga Owner" in html
    assert "<main" in html
    assert "<form" not in html.split("<main")[1].split("</main>")[0]


def test_it_shows_no_names_to_visitors(client: Client, public_collab: Collab) -> None:
    html = client.get(public_collab.get_absolute_url()).content.decode()
    assert "Olga" not in html
    assert "owner" not in html.lower()


@pytest.mark.parametrize("who", ["viewer", "editor", "stranger"])
def test_it_links_settings_for_administrators_only(
    who: str, public_collab: Collab, owner: User, sign_in: Callable
) -> None:
    address = f'href="{public_collab.get_absolute_url()}settings/"'
    assertContains(sign_in(owner).get(public_collab.get_absolute_url()), address)
    other = User.objects.filter(username=who).first() or User.objects.create_user(who)
    assert address not in sign_in(other).get(public_collab.get_absolute_url()).content.decode()


@pytest.mark.parametrize("asked", CHANGE)
def test_it_changes_nothing_by_a_link(asked: str, collab: Collab, owner: User, sign_in: Callable) -> None:
    before = state(collab)
    response = sign_in(owner).get(collab.get_absolute_url() + CHANGE[asked][0].replace("somebody", "viewer"))
    assert response.status_code == (OK if asked in ("save", "leave") else 405)
    assert state(collab) == before


@pytest.mark.parametrize("asked", CHANGE)
def test_it_changes_nothing_for_another_site(asked: str, collab: Collab, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    before = state(collab)
    assert ask(client, collab, asked).status_code == FORBIDDEN
    assert state(collab) == before


@pytest.mark.parametrize("name", ["no-such-person", "stranger", "%00", "..%2f.."])
def test_it_finds_only_members_in_a_team(name: str, collab: Collab, owner: User, stranger: User, sign_in) -> None:
    for change in ("role", "remove"):
        response = sign_in(owner).post(f"{collab.get_absolute_url()}team/{name}/{change}/", {"role": "editor"})
        assert response.status_code == NONE


def test_it_lets_nobody_create_without_signing_in(client: Client, db: None) -> None:
    for response in (client.get("/collabs/new/"), client.post("/collabs/new/", {"title": "Mine"})):
        assert response["Location"] == "/account/login/?next=/collabs/new/"
    assert not Collab.all_objects.exists()
