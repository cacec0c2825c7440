"""Pages of Collabs: their texts, and what they change."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services
from collabs.models import Collab, Membership, Role
from collabs.views.pages import PAGE_SIZE, TEAM_SHOWN
from collabs.views.team import PAGE_SIZE as TEAM_PAGE_SIZE
from conftest import Queue
from drive.files import operations
from drive.models import Library
from portal.accounts.services import deactivate
from portal.models import AuditEntry, User

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
EVIL_TITLE = EVIL.replace("/", "|")

SignIn = Callable[[User], Client]


def titles(client: Client, **query: Any) -> list[str]:
    response = client.get("/collabs/", query)
    assert response.status_code == 200
    return [collab.title for collab in response.context["page"]]


# The directory


def test_it_lists_what_one_may_see(
    client: Client, collab: Collab, public_collab: Collab, viewer: User, stranger: User, sign_in: SignIn
) -> None:
    assert titles(client) == ["Open Cortex"]
    assert titles(sign_in(stranger)) == ["Open Cortex"]
    assert titles(sign_in(viewer)) == ["Cortex", "Open Cortex"]


def test_it_lists_ones_own_on_request(
    client: Client, public_collab: Collab, viewer: User, stranger: User, sign_in: SignIn
) -> None:
    assert titles(sign_in(viewer), mine="on") == ["Open Cortex"]
    assert titles(sign_in(stranger), mine="on") == []
    assert titles(client, mine="on") == ["Open Cortex"]  # a visitor has none: the tick means nothing


def test_it_searches(client: Client, collab: Collab, public_collab: Collab, viewer: User, sign_in: SignIn) -> None:
    assert titles(sign_in(viewer), q="everybody cortex") == ["Open Cortex"]
    assert titles(client, q="Cortex") == ["Open Cortex"]  # never a private one
    assert titles(client, q="no such thing") == []
    assertContains(client.get("/collabs/", {"q": "no such <thing>"}), "No Collab matches “no such &lt;thing&gt;”")


@pytest.mark.parametrize("words", ["\0", "%", "'", "x" * 5000, "a " * 2000, "\ud800".encode("utf-8", "surrogatepass")])
def test_it_survives_any_search(client: Client, public_collab: Collab, words: str | bytes) -> None:
    assert client.get("/collabs/", {"q": words}).status_code == 200


@pytest.mark.slow
def test_it_pages_and_keeps_the_search(owner: User, sign_in: SignIn) -> None:
    for number in range(PAGE_SIZE + 3):
        services.create_collab(owner, title=f"Slice {number:02}")
    client = sign_in(owner)
    first = titles(client, q="slice", mine="on")
    second = titles(client, q="slice", mine="on", page=2)
    assert (len(first), len(second)) == (PAGE_SIZE, 3)
    assert first + second == sorted(first + second)
    assertContains(client.get("/collabs/?q=slice&mine=on"), "q=slice&amp;mine=on&amp;page=2")
    for odd in ("0", "-1", "x", "99999999999999999999", ""):
        assert titles(client, page=odd)


# Create


def test_it_creates(owner: User, sign_in: SignIn) -> None:
    form = {"title": "Cortex", "description": "Slices.", "is_public": "on"}
    response = sign_in(owner).post("/collabs/new/", form, follow=True)
    assertRedirects(response, "/collabs/cortex/")
    assertContains(response, "The Collab is ready")
    collab = Collab.objects.get()
    assert (collab.is_public, collab.role_of(owner)) == (True, Role.ADMINISTRATOR)


@pytest.mark.parametrize("title", ["", "cortex", "a/b", "x" * 101, "a\0b", "\u0958" * 60])
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    collab: Collab, stranger: User, sign_in: SignIn, title: str
) -> None:
    response = sign_in(stranger).post("/collabs/new/", {"title": title, "description": "My slices"})
    assertContains(response, "errorlist", status_code=422)
    assertContains(response, "My slices", status_code=422)
    assert list(response.context["form"].errors) == ["title"]
    assert Collab.all_objects.count() == 1


# The Collab


@pytest.mark.slow
def test_it_escapes_what_people_write(owner: User, sign_in: SignIn) -> None:
    collab = services.create_collab(owner, title=EVIL_TITLE, description=EVIL, is_public=True)
    base = collab.get_absolute_url()
    client = sign_in(owner)
    wrong = client.post(f"{base}settings/delete/", {"typed_title": EVIL})
    pages = [client.get(address) for address in (base, f"{base}team/", f"{base}settings/", f"{base}files/", "/")]
    pages += [wrong, client.get("/collabs/", {"q": EVIL}), Client().get("/"), Client().get(base)]
    pages += [client.post(f"{base}settings/delete/", {"typed_title": EVIL_TITLE}, follow=True)]
    for page in pages:
        html = page.content.decode()
        assert "<script>alert" not in html, page.request["PATH_INFO"]
        assert "<img src=x" not in html, page.request["PATH_INFO"]


def test_it_shows_twenty_people_and_says_how_many_more(
    collab: Collab, owner: User, person: Callable[..., User], sign_in: SignIn
) -> None:
    assertNotContains(sign_in(owner).get(collab.get_absolute_url()), "more</a>")
    for number in range(TEAM_SHOWN):
        services.add_member(owner, collab, person(f"member{number:02}"), Role.EDITOR)
    assertContains(sign_in(owner).get(collab.get_absolute_url()), "and 3 more")


def test_it_shows_visitors_the_readme_and_the_way_in_but_no_files(
    client: Client, public_collab: Collab, viewer: User, sign_in: SignIn
) -> None:
    library = Library.objects.get(owner_collab=public_collab)
    operations.write(viewer, library, "README.md", b"# How we slice")
    operations.write(viewer, library, "unpublished.csv", b"1,2")
    base = public_collab.get_absolute_url()
    visitor, member = client.get(base), sign_in(viewer).get(base)
    for page in (visitor, member):
        assertContains(page, "How we slice")
    assertContains(member, "unpublished.csv")
    assertNotContains(visitor, "unpublished.csv")
    assertContains(visitor, f'<a class="button primary" href="/account/login/?next={base}">')


def test_it_answers_link_checkers(client: Client, public_collab: Collab) -> None:
    for address in ("/collabs/", public_collab.get_absolute_url()):
        assert client.head(address).status_code == 200


# The team


@pytest.mark.parametrize("typed", ["stranger", " Stranger ", "stranger@example.org", "STRANGER@Example.Org"])
def test_it_adds_by_username_or_address(
    collab: Collab, owner: User, stranger: User, sign_in: SignIn, typed: str
) -> None:
    address = f"{collab.get_absolute_url()}team/add/"
    response = sign_in(owner).post(address, {"person": typed, "role": "editor"}, follow=True)
    assertRedirects(response, f"{collab.get_absolute_url()}team/")
    assertContains(response, "stranger is now a member")
    assert collab.role_of(stranger) == Role.EDITOR


@pytest.mark.parametrize(
    ("typed", "role", "said"),
    [
        ("nobody", "viewer", "There is no account"),
        ("", "viewer", "required"),
        ("viewer", "editor", "already a member"),
        ("stranger", "owner", "not one of the available choices"),
        ("gone", "viewer", "There is no account"),
        ("two@example.org", "viewer", "Several accounts"),
        ("a\0b", "viewer", "Null characters"),
    ],
)
def test_it_says_why_it_cannot_add(
    collab: Collab,
    owner: User,
    stranger: User,
    person: Callable[..., User],
    sign_in: SignIn,
    typed: str,
    role: str,
    said: str,
) -> None:
    deactivate(None, person("gone"))
    person("one", email="two@example.org")
    person("two", email="two@example.org")
    response = sign_in(owner).post(f"{collab.get_absolute_url()}team/add/", {"person": typed, "role": role})
    assertContains(response, said, status_code=422)
    assert collab.memberships.count() == 3


def test_it_shows_who_could_be_meant_with_a_button_each(
    collab: Collab, owner: User, person: Callable[..., User], sign_in: SignIn
) -> None:
    vera = person("vera2", first_name="Vera", last_name="Vega")
    person("vince", first_name="Vince", last_name="Vega")
    client, address = sign_in(owner), f"{collab.get_absolute_url()}team/add/"
    response = client.post(address, {"person": "vera vega", "role": "editor"})
    assertContains(response, 'aria-label="Add vera2"', status_code=422)
    assertContains(response, "Vera Vega", 1, status_code=422)
    assertNotContains(response, 'aria-label="Add vince"', status_code=422)
    assert 'name="role" value="editor"' in response.text
    client.post(address, {"person": "vera2", "role": "editor"})
    assert collab.role_of(vera) == Role.EDITOR


def test_it_invites_an_address_that_nobody_has(
    collab: Collab, owner: User, person: Callable[..., User], sign_in: SignIn, queue: Queue
) -> None:
    address = f"{collab.get_absolute_url()}team/add/"
    response = sign_in(owner).post(address, {"person": " New@Example.ORG ", "role": "editor"}, follow=True)
    assertContains(response, "an invitation is on its way to it")
    [invitation] = collab.invitations.all()
    assert (invitation.email, invitation.role, invitation.why_closed) == ("new@example.org", Role.EDITOR, "")
    assert collab.memberships.count() == 3


def test_no_more_invitations_are_mailed_than_allowed(
    collab: Collab, owner: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, queue: Queue
) -> None:
    monkeypatch.setattr("collabs.invitations.MAILS_PER_DAY", 1)
    client, address = sign_in(owner), f"{collab.get_absolute_url()}team/add/"
    found = [client.post(address, {"person": f"a{n}@example.org", "role": "viewer"}).status_code for n in range(2)]
    assert found == [302, 429]
    assert collab.invitations.count() == 1


def test_it_suggests_people_to_add_while_one_types(
    collab: Collab, owner: User, viewer: User, person: Callable[..., User], sign_in: SignIn
) -> None:
    person("vince", first_name="Vince", last_name="<b>Vega")
    address, client = f"{collab.get_absolute_url()}team/people/", sign_in(owner)
    assertContains(client.get(f"{collab.get_absolute_url()}team/"), f'hx-get="{address}"')
    response = client.get(address, {"person": "v"})
    assert response.content.strip() == b""  # one letter is no search
    response = client.get(address, {"person": "vi"})
    assert response.content.decode().strip() == '<option value="vince">Vince &lt;b&gt;Vega</option>'  # not the viewer
    assertNotContains(client.get(address, {"person": "vince@example.org"}), "vince")


def test_it_says_when_nobody_administers(collab: Collab, owner: User, editor: User, sign_in: SignIn) -> None:
    client, address = sign_in(editor), f"{collab.get_absolute_url()}team/"
    assertNotContains(client.get(address), "no active administrator")
    deactivate(None, owner)
    assertContains(client.get(address), "no active administrator")


def test_it_changes_roles_and_removes(collab: Collab, owner: User, viewer: User, sign_in: SignIn) -> None:
    client, base = sign_in(owner), f"{collab.get_absolute_url()}team/"
    assertContains(client.post(f"{base}viewer/role/", {"role": "editor"}, follow=True), "now has the role Editor")
    assert collab.role_of(viewer) == Role.EDITOR
    assert client.post(f"{base}viewer/role/", {"role": "boss"}).status_code == 302
    assert collab.role_of(viewer) == Role.EDITOR
    assertContains(client.post(f"{base}viewer/remove/", follow=True), "is no longer a member")
    assert collab.role_of(viewer) is None


@pytest.mark.parametrize(("way", "form"), [("owner/role/", {"role": "viewer"}), ("owner/remove/", {}), ("leave/", {})])
def test_it_keeps_the_last_administrator_and_says_so(
    collab: Collab, owner: User, sign_in: SignIn, way: str, form: dict[str, str]
) -> None:
    base = f"{collab.get_absolute_url()}team/"
    response = sign_in(owner).post(base + way, form, follow=True)
    assertRedirects(response, base)
    assertContains(response, "A Collab needs an administrator. Make somebody else administrator first.")
    assert collab.role_of(owner) == Role.ADMINISTRATOR


def test_it_asks_before_one_leaves(collab: Collab, viewer: User, sign_in: SignIn) -> None:
    base, client = f"{collab.get_absolute_url()}team/", sign_in(viewer)
    assertContains(client.get(base), f'href="{base}leave/"')
    assertContains(client.get(f"{base}leave/"), "You lose its page and its files at once")
    assert collab.role_of(viewer) == Role.VIEWER
    assertRedirects(client.post(f"{base}leave/"), "/collabs/")
    assert collab.role_of(viewer) is None


@pytest.mark.parametrize("way", ["owner/remove/", "leave/"])
def test_it_leads_who_left_to_the_directory(
    collab: Collab, owner: User, editor: User, sign_in: SignIn, way: str
) -> None:
    services.change_role(owner, collab, editor, Role.ADMINISTRATOR)
    response = sign_in(owner).post(f"{collab.get_absolute_url()}team/{way}", follow=True)
    assertRedirects(response, "/collabs/")
    assertContains(response, "You have left Cortex.")


def test_it_shows_the_deactivated_to_administrators(
    collab: Collab, owner: User, editor: User, viewer: User, sign_in: SignIn
) -> None:
    deactivate(None, viewer)
    assertNotContains(sign_in(editor).get(f"{collab.get_absolute_url()}team/"), "Vera")
    client = sign_in(owner)
    assertContains(client.get(f"{collab.get_absolute_url()}team/"), "deactivated")
    client.post(f"{collab.get_absolute_url()}team/viewer/remove/")
    assert not Membership.objects.filter(user=viewer).exists()


def test_it_pages_a_large_team(collab: Collab, owner: User, sign_in: SignIn) -> None:
    users = User.objects.bulk_create(User(username=f"u{number:03}") for number in range(TEAM_PAGE_SIZE))
    Membership.objects.bulk_create(Membership(collab=collab, user=user, role=Role.VIEWER) for user in users)
    client = sign_in(owner)
    first, second = (client.get(f"{collab.get_absolute_url()}team/?page={page}") for page in (1, 2))
    assert [len(page.context["page"]) for page in (first, second)] == [TEAM_PAGE_SIZE, 3]
    assert first.context["page"][0].user == owner


# Settings


def test_it_saves_settings(collab: Collab, owner: User, sign_in: SignIn) -> None:
    form = {"title": "Hippocampus", "description": "New.", "is_public": "on", "make_public": ""}
    response = sign_in(owner).post(f"{collab.get_absolute_url()}settings/", form, follow=True)
    assertRedirects(response, f"{collab.get_absolute_url()}settings/")  # the address stays
    assertContains(response, "Saved.")
    collab.refresh_from_db()
    assert (collab.title, collab.is_public) == ("Hippocampus", True)


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("others", [True, False])
def test_it_lists_the_sections_of_its_settings(
    collab: Collab, owner: User, sign_in: SignIn, settings: Settings, archived: bool, others: bool
) -> None:
    settings.COEDITING = settings.VISITORS_READ_FILES = others
    if archived:
        services.archive_collab(owner, collab)
    page = sign_in(owner).get(f"{collab.get_absolute_url()}settings/").content.decode()
    listed = re.findall(r'<li><a href="#(\w+)">', page)
    assert listed == [
        key for key in ("general", "visibility", "editing", "lab", "archive", "delete") if key != "editing" or others
    ]
    assert [page.count(f'id="{key}"') for key in listed] == [1] * len(listed)
    assert sorted(re.findall(r'name="(title|description|tags|is_public|visitors_read|coediting)"', page)) == sorted(
        ["title", "description", "tags", "is_public", *(["visitors_read", "coediting"] if others else [])]
    )


def test_it_asks_before_a_collab_becomes_public(collab: Collab, owner: User, sign_in: SignIn) -> None:
    client, address = sign_in(owner), f"{collab.get_absolute_url()}settings/"
    form = {"title": "Hippocampus", "description": "New.", "is_public": "on"}
    asked = client.post(address, form)
    assertContains(asked, "Make this Collab public?")
    assertContains(asked, f"({User.objects.filter(is_active=True).count()} today)")
    assertContains(asked, 'value="Hippocampus"')  # what was typed is still there
    collab.refresh_from_db()
    assert (collab.title, collab.is_public) == ("Cortex", False)
    client.post(address, form | {"make_public": ""})
    collab.refresh_from_db()
    assert (collab.title, collab.is_public) == ("Hippocampus", True)
    again = client.post(address, form | {"description": "Newer."})
    assertRedirects(again, address)  # it is public already


def test_administrators_switch_editing_together_off_where_the_site_has_it(
    collab: Collab, owner: User, editor: User, sign_in: SignIn, settings: Settings
) -> None:
    page, form = f"{collab.get_absolute_url()}settings/", {"title": "Cortex", "description": "Slices."}
    settings.COEDITING = False
    assert "coediting" not in sign_in(owner).get(page).content.decode()
    sign_in(owner).post(page, form)
    collab.refresh_from_db()
    assert collab.coediting
    settings.COEDITING = True
    assert 'name="coediting"' in sign_in(owner).get(page).content.decode()
    assert sign_in(editor).post(page, form).status_code == 403
    sign_in(owner).post(page, form)
    collab.refresh_from_db()
    assert not collab.coediting
    assert AuditEntry.objects.latest("pk").details["after"] == {"coediting": False}
    sign_in(owner).post(page, form | {"coediting": "on"})
    collab.refresh_from_db()
    assert collab.coediting
    assert "coediting" not in sign_in(owner).get("/collabs/new/").content.decode()


def test_it_keeps_showing_the_old_title_when_the_new_one_is_refused(
    collab: Collab, public_collab: Collab, owner: User, sign_in: SignIn
) -> None:
    response = sign_in(owner).post(f"{collab.get_absolute_url()}settings/", {"title": "Open Cortex"})
    assertContains(response, "This title is taken", status_code=422)
    heading = re.search(r"<h1>\s*(\S.*?)\s*<", response.content.decode())
    assert heading
    assert heading[1] == "Cortex"


def test_it_has_no_id_twice(collab: Collab, owner: User, sign_in: SignIn) -> None:
    for tab in ("", "team/", "settings/"):
        html = sign_in(owner).get(collab.get_absolute_url() + tab).content.decode()
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), tab


def test_it_deletes_when_the_title_is_typed(owner: User, sign_in: SignIn) -> None:
    collab = services.create_collab(owner, title="Größe")
    client, address = sign_in(owner), f"{collab.get_absolute_url()}settings/delete/"
    for wrong in ("", "größe", "Other"):
        assertContains(client.post(address, {"typed_title": wrong}), "errorlist", status_code=422)
    assert Collab.objects.exists()
    response = client.post(address, {"typed_title": "Gro\u0308ße"}, follow=True)  # as a Mac types it
    assertRedirects(response, "/collabs/")
    assertContains(response, "Its administrators can restore it")
    assert not Collab.objects.exists()


# The number of queries


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/", "/collabs/", "/collabs/?mine=on", "/collabs/?q=slice", "page", "team/"])
def test_it_needs_no_more_queries_for_more_rows(
    address: str, owner: User, person: Callable[..., User], sign_in: SignIn
) -> None:
    collab = services.create_collab(owner, title="Slice", is_public=True)
    client = sign_in(owner)
    if not address.startswith("/"):
        address = collab.get_absolute_url() + address.removeprefix("page")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    queries()  # content types are cached from here on
    few = queries()
    for number in range(12):
        services.create_collab(owner, title=f"Slice {number}", is_public=bool(number % 2))
        services.add_member(owner, collab, person(f"member{number}"), Role.EDITOR)
    assert queries() == few


# Deleted, and back


def test_it_lets_administrators_restore_what_they_deleted(
    collab: Collab, owner: User, editor: User, stranger: User, sign_in: SignIn
) -> None:
    services.delete_collab(owner, collab)
    for user in (editor, stranger):
        client = sign_in(user)
        assertNotContains(client.get("/collabs/deleted/"), "Cortex")
        assert client.post("/collabs/deleted/", {"slug": collab.slug}).status_code == 404
    client = sign_in(owner)
    assertContains(client.get("/collabs/deleted/"), "Cortex")
    response = client.post("/collabs/deleted/", {"slug": collab.slug}, follow=True)
    assertContains(response, "Cortex was restored")
    assert Collab.objects.get(pk=collab.pk).role_of(editor) == Role.EDITOR
    assert client.post("/collabs/deleted/", {"slug": collab.slug}).status_code == 404


def test_it_keeps_the_address_of_the_page_of_deleted_collabs(owner: User) -> None:
    assert services.create_collab(owner, title="Deleted").slug != "deleted"
    assert services.create_collab(owner, title="New").slug != "new"
