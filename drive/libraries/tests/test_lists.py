"""What I share, what is shared with me, what I deleted."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services as collab_services
from collabs.models import Collab
from drive.libraries import services
from drive.models import Library, Permission
from portal.models import User

SignIn = Callable[[User], Client]
READ, WRITE = Permission.READ, Permission.WRITE
PAGES = ["/drive/shared-by-me/", "/drive/shared-with-me/", "/drive/deleted/"]


@pytest.fixture
def data(owner: User) -> Library:
    return services.create_library(owner, "Data")


def test_it_asks_visitors_to_sign_in(client: Client, db: None) -> None:
    for page in PAGES:
        assertRedirects(client.get(page), f"/account/login/?next={page}", fetch_redirect_response=False)


def test_it_lists_what_i_share(owner: User, stranger: User, collab: Collab, data: Library, sign_in: SignIn) -> None:
    client = sign_in(owner)
    assertContains(client.get(PAGES[0]), "You share no libraries yet.")
    services.share_with_person(owner, data, stranger, WRITE)
    services.share_with_team(owner, data, collab, READ)
    other = services.create_library(owner, "Other")
    services.set_public(owner, other, True)
    page = client.get(PAGES[0])
    for words in (
        "Data",
        "stranger",
        "The team of Cortex",
        "can read and write",
        "Other",
        "Everybody who is signed in",
    ):
        assertContains(page, words)
    assertNotContains(page, "My Library")
    services.delete_library(owner, other)
    assertNotContains(client.get(PAGES[0]), "Other")


def test_it_lists_what_is_shared_with_me(
    owner: User, viewer: User, stranger: User, collab: Collab, data: Library, sign_in: SignIn
) -> None:
    services.share_with_person(owner, data, stranger, WRITE)
    services.share_with_team(owner, data, collab, READ)
    assertContains(sign_in(stranger).get(PAGES[1]), "can read and write")
    assertNotContains(sign_in(stranger).get(PAGES[1]), "Cortex")
    page = sign_in(viewer).get(PAGES[1])
    assertContains(page, "with the team of")
    assertNotContains(page, "Leave…")
    assertNotContains(sign_in(owner).get(PAGES[1]), "Data")


@pytest.mark.slow
def test_it_restores_what_i_deleted(owner: User, stranger: User, data: Library, sign_in: SignIn) -> None:
    services.share_with_person(owner, data, stranger, READ)
    services.delete_library(owner, data)
    assertNotContains(sign_in(stranger).get(PAGES[2]), "Data")
    form = {"library": str(data.pk)}
    assert sign_in(stranger).post(PAGES[2], form).status_code == 404
    assertContains(sign_in(owner).get(PAGES[2]), "Data")
    assertRedirects(sign_in(owner).post(PAGES[2], form), f"/drive/{data.pk}/")
    assert sign_in(stranger).get(f"/drive/{data.pk}/").status_code == 200
    assert sign_in(owner).post(PAGES[2], form).status_code == 404


@pytest.mark.parametrize("form", [{}, {"library": "x"}, {"library": "6f1f1e3a-0000-4000-8000-000000000000"}])
def test_it_knows_no_other_library(owner: User, sign_in: SignIn, form: dict) -> None:
    assert sign_in(owner).post(PAGES[2], form).status_code == 404


def test_it_restores_beside_a_new_one_of_the_same_name(
    owner: User, stranger: User, data: Library, sign_in: SignIn
) -> None:
    services.share_with_person(owner, data, stranger, READ)
    services.delete_library(owner, data)
    services.create_library(owner, "data")
    client = sign_in(owner)
    assertContains(client.get(PAGES[2]), 'value="Data (restored)"')
    assertContains(client.post(PAGES[2], {"library": str(data.pk)}, follow=True), "You have a library with this name.")
    client.post(PAGES[2], {"library": str(data.pk), "name": "Data (restored)"})
    data.refresh_from_db()
    assert (data.name, data.shared_name, data.deleted_at) == ("Data (restored)", "Data (restored)", None)


def test_it_shows_nothing_that_is_being_removed(owner: User, data: Library, sign_in: SignIn) -> None:
    services.delete_library(owner, data)
    Library.objects.filter(pk=data.pk).update(removed_at=timezone.now())
    assertNotContains(sign_in(owner).get(PAGES[2]), "Data")


@pytest.mark.slow
def test_it_takes_queries_that_do_not_grow(
    owner: User, stranger: User, collab: Collab, data: Library, sign_in: SignIn
) -> None:
    client = sign_in(owner)

    def more(number: int) -> None:
        for index in range(number):
            mine = services.create_library(owner, f"Mine {number} {index}")
            theirs = services.create_library(stranger, f"Theirs {number} {index}")
            team = collab_services.create_collab(owner, title=f"Team {number} {index}")
            services.share_with_person(owner, mine, stranger, READ)
            services.share_with_team(owner, mine, team, READ)
            services.share_with_person(stranger, theirs, owner, READ)
            services.delete_library(owner, services.create_library(owner, f"Gone {number} {index}"))

    def queries() -> list[int]:
        counts = []
        for page in [*PAGES, "/drive/"]:
            with CaptureQueriesContext(connection) as captured:
                client.get(page)
            counts.append(len(captured))
        return counts

    more(1)
    queries()
    before = queries()
    more(6)
    assert queries() == before
