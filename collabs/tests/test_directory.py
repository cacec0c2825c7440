"""Finding Collabs: filters, tags, favourites, order."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import cards, favourites, services, tags
from collabs.models import Collab, Favourite, Role
from portal.models import User

SignIn = Callable[[User], Client]


def titles(client: Client, **query: Any) -> list[str]:
    response = client.get("/collabs/", query)
    assert response.status_code == 200
    return [collab.title for collab in response.context["page"]]


# Tags


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("fMRI, mouse", ["fmri", "mouse"]),
        (" Two   Photon ;two photon,\nTWO PHOTON", ["two photon"]),
        ("C++, c#, R&D, scikit-learn, v2.0", ["c#", "c++", "r&d", "scikit-learn", "v2.0"]),
        ("Größe, größe, Ｆｕｌｌ", ["full", "größe"]),
        (" , ,", []),
    ],
)
def test_it_keeps_one_spelling_of_a_tag(typed: str, kept: list[str]) -> None:
    assert tags.split(typed) == kept


@pytest.mark.parametrize("typed", ["x" * 41, "a/b", "<b>", "--", "a\0b", "\u200b", ",".join(map(str, range(11)))])
def test_it_refuses_what_is_no_tag(collab: Collab, owner: User, sign_in: SignIn, typed: str) -> None:
    with pytest.raises(ValidationError):
        tags.split(typed)
    address = f"{collab.get_absolute_url()}settings/"
    response = sign_in(owner).post(address, {"title": "Cortex", "tags": typed})
    assertContains(response, "errorlist", status_code=422)
    assert list(response.context["form"].errors) == ["tags"]
    with pytest.raises(ValidationError):
        services.create_collab(owner, title="Other", tags=typed.split(","))
    assert not Collab.objects.filter(title="Other").exists()


def test_it_shows_and_finds_tags(owner: User, client: Client, sign_in: SignIn) -> None:
    form = {"title": "Slices", "tags": "Two Photon, c++", "is_public": "on"}
    sign_in(owner).post("/collabs/new/", form)
    services.create_collab(owner, title="Other", is_public=True, tags=["c"])
    page = client.get("/collabs/slices/")
    assertContains(page, '<a href="/collabs/?tag=two%20photon">two photon</a>')
    assertContains(page, '<a href="/collabs/?tag=c%2B%2B">c++</a>')
    assert titles(client, tag="c++") == ["Slices"]
    assert titles(client, tag="TWO photon") == ["Slices"]
    assert titles(client, tag="two") == []
    assert titles(client, tag="\0") == titles(client, tag="<b>") == ["Other", "Slices"]  # no tag: not asked for
    assertContains(sign_in(owner).get("/collabs/slices/settings/"), 'value="c++, two photon"')


def test_it_counts_tags_of_public_collabs_only(collab: Collab, owner: User, client: Client, sign_in: SignIn) -> None:
    services.update_collab(owner, collab, title="Cortex", description="", is_public=False, tags=["secret", "mouse"])
    services.create_collab(owner, title="Open", is_public=True, tags=["mouse"])
    for browser in (client, sign_in(owner)):
        assert browser.get("/collabs/").context["tags"] == [{"name": "mouse", "size": 1}]


def test_it_says_what_tags_were_before(collab: Collab, owner: User) -> None:
    values: dict[str, Any] = {"title": "Cortex", "description": "", "is_public": False}
    services.update_collab(owner, collab, **values, tags=["b", "A"])
    services.update_collab(owner, collab, **values, tags=["a"])
    services.update_collab(owner, collab, **values, tags=[" A "])  # no change
    services.update_collab(owner, collab, **values)  # not asked
    assert [tag.name for tag in collab.tags.all()] == ["a"]


# Filters and order


def test_it_narrows(collab: Collab, public_collab: Collab, viewer: User, stranger: User, sign_in: SignIn) -> None:
    client = sign_in(viewer)
    services.create_collab(stranger, title="Retina", is_public=True)
    favourites.mark(viewer, collab)
    assert titles(client) == ["Cortex", "Open Cortex", "Retina"]
    assert titles(client, mine="on") == ["Cortex", "Open Cortex"]
    assert titles(client, mine="on", public="on") == ["Open Cortex"]
    assert titles(client, favourites="on") == ["Cortex"]
    assert titles(client, favourites="on", public="on") == []
    assertContains(client.get("/collabs/", {"favourites": "on", "public": "on"}), "No Collab matches these filters.")
    assert titles(Client(), favourites="on", mine="on") == ["Open Cortex", "Retina"]  # means nothing for visitors


def test_it_orders(owner: User, client: Client) -> None:
    for title in ("B slice", "A plain one", "C"):
        services.create_collab(owner, title=title, description="Slice", is_public=True)
    assert titles(client) == ["A plain one", "B slice", "C"]
    assert titles(client, order="new") == ["C", "A plain one", "B slice"]
    assert titles(client, order="old") == ["B slice", "A plain one", "C"]
    assert titles(client, q="slice")[0] == "B slice"
    assert titles(client, q="slice", order="title") == ["A plain one", "B slice", "C"]
    assert titles(client, order="'; DROP TABLE") == ["A plain one", "B slice", "C"]


# Favourites


def test_it_shows_at_home_what_was_marked_last_and_made_last(owner: User, viewer: User) -> None:
    made = [services.create_collab(owner, title=f"C{number}") for number in range(9)]
    for collab in made[:8]:
        services.add_member(owner, collab, viewer, Role.VIEWER)
    for number in (1, 7, 0, 3, 8, 2, 4, 5):  # one of them is none that the viewer may see
        favourites.mark(viewer, made[number])
    services.archive_collab(owner, made[7])
    mine = cards.at_home(viewer)
    assert [collab.title for collab in mine.favourites] == ["C5", "C4", "C2", "C3", "C0", "C7"]
    assert [collab.title for collab in mine.newest] == ["C6", "C5", "C4", "C3", "C2", "C1"]
    assert cards.at_home(owner).favourites == []


@pytest.mark.slow
def test_it_marks_favourites_and_shows_them_at_home(
    public_collab: Collab, stranger: User, viewer: User, sign_in: SignIn
) -> None:
    client, address = sign_in(stranger), f"{public_collab.get_absolute_url()}favourite/"
    assertNotContains(client.get("/"), "Favourites")
    for _ in range(2):
        response = client.post(address, {"do": "mark"}, follow=True)
        assertRedirects(response, public_collab.get_absolute_url())
        assertContains(response, 'aria-pressed="true"')
    assertContains(client.get("/"), "Favourites")
    assertNotContains(sign_in(viewer).get("/"), "Favourites")
    client.post(address, {"do": "unmark"})
    assert not Favourite.objects.exists()


def test_it_marks_nothing_that_one_does_not_see(
    collab: Collab, public_collab: Collab, stranger: User, client: Client, sign_in: SignIn
) -> None:
    assert sign_in(stranger).post(f"{collab.get_absolute_url()}favourite/", {"do": "mark"}).status_code == 404
    assert client.post(f"{collab.get_absolute_url()}favourite/", {"do": "mark"}).status_code == 404
    response = client.post(f"{public_collab.get_absolute_url()}favourite/", {"do": "mark"})
    assert response["Location"].startswith("/account/login/")
    assert not Favourite.objects.exists()


def test_it_hides_favourites_that_one_does_not_see_any_more(
    collab: Collab, owner: User, viewer: User, sign_in: SignIn
) -> None:
    favourites.mark(viewer, collab)
    services.remove_member(owner, collab, viewer)
    client = sign_in(viewer)
    assertNotContains(client.get("/"), "Cortex")
    assert titles(client, favourites="on") == []
