"""Visitors without an account: what a Collab that was opened to them gives, and everything that it does not."""

import io
import zipfile
from collections.abc import Callable, Iterator
from itertools import count, product
from typing import Any

import pytest
from django.conf import settings as site
from django.core.exceptions import ValidationError
from django.test import Client, override_settings
from hypothesis import HealthCheck
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services
from collabs.models import Collab, Role
from drive.browser import registry, visitors
from drive.files import operations
from drive.files.public_link_access import VisibleFiles
from drive.files.visitor_access import visitor_access
from drive.libraries import services as library_services
from drive.preview import rendering
from drive.storage import NotFoundError, layout
from portal.models import AuditEntry, User

SignIn = Callable[[User], Client]
COLLAB = "/collabs/open-cortex/"
FILES, PAGES, SETTINGS = f"{COLLAB}files/", f"{COLLAB}pages/", f"{COLLAB}settings/"
FORM = {"title": "Open Cortex", "description": "", "is_public": "on"}
SECRET = "NOT-FOR-VISITORS"
HIDDEN = (".env", ".git/config", "sub/.ipynb_checkpoints/deep.md")


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


@pytest.fixture
def shut(public_collab: Collab, owner: User) -> Collab:
    """A public Collab with files, an earlier version, something in the trash, and what is hidden."""
    library = public_collab.library
    for content in (SECRET.encode(), b"published"):
        operations.write(owner, library, "data.txt", content)
    operations.write(owner, library, "page.md", b"# A page\n\n![p](sub/p.png)")
    operations.write(owner, library, "README.md", b"# Hello\n\n![h](.shown/h.png)")
    operations.write(owner, library, "gone.txt", SECRET.encode())
    operations.delete(owner, library, "gone.txt")
    place = layout.find(library.pk)
    for path in ("sub/p.png", ".shown/h.png", *HIDDEN):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text("picture" if path.endswith(".png") else SECRET)
    return public_collab


@pytest.fixture
def opened(shut: Collab, owner: User) -> Collab:
    """The same, opened to visitors."""
    return change(owner, shut, visitors_read=True)


def change(actor: User, collab: Collab, **values: Any) -> Collab:
    row = Collab.all_objects.get(pk=collab.pk)
    kept: dict[str, Any] = {"title": row.title, "description": row.description, "is_public": row.is_public}
    return services.update_collab(actor, collab, **(kept | values))


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def leads_to_sign_in(response: Any) -> bool:
    return response.status_code == 302 and response["Location"].startswith("/account/login/")


def pages_of(path: str, is_folder: bool) -> Iterator[tuple[str, registry.Right]]:
    for name, page in (registry.FOLDER_PAGES if is_folder else registry.FILE_PAGES).items():
        yield f"{FILES}{path}?show={name}&q=a&id=1&a=1&b=1&name=data.txt", page.right


# What is given


def test_it_gives_files_folders_pages_and_downloads(client: Client, opened: Collab) -> None:
    page = client.get(FILES)
    for words in ("data.txt", "sub/", "page.md", "open to visitors", "lets visitors without an account read"):
        assertContains(page, words)
    for words in ("Trash", "Open in Lab", 'type="file"', "hidden file", "Olga", "owner", "(sign in)</a>\n  <a href="):
        assertNotContains(page, words)
    assertContains(client.get(f"{FILES}sub/"), "p.png")
    assertContains(client.get(f"{FILES}data.txt"), "published")
    assert body(client.get(f"{FILES}data.txt?show=raw")) == b"published"
    assert body(client.get(f"{FILES}sub/p.png?show=raw")) == b"picture"
    assertContains(client.get(f"{FILES}?show=find&q=data"), "data.txt")
    assertContains(client.get(PAGES), "page.md")
    shown = client.get(f"{PAGES}page.md")
    assertContains(shown, "A page")
    for words in ("Versions", "by Olga", "Edit"):
        assertNotContains(shown, words)
    assertContains(client.get(COLLAB), "Read the files")
    assert client.head(f"{FILES}data.txt").status_code == 200


def test_a_rendered_notebook_is_in_its_frame(client: Client, opened: Collab, monkeypatch: pytest.MonkeyPatch) -> None:
    (layout.find(opened.library.pk) / "a.ipynb").write_text("{}")
    monkeypatch.setattr(rendering, "state", lambda key: rendering.State("ready"))
    monkeypatch.setattr(rendering, "result", lambda key: b"<h1>made</h1>")
    assertContains(client.get(f"{FILES}a.ipynb"), "<iframe")
    frame = client.get(f"{FILES}a.ipynb?show=rendered")
    assert body(frame) == b"<h1>made</h1>"
    assert "sandbox allow-scripts" in frame["Content-Security-Policy"]
    assert "default-src 'none'" in frame["Content-Security-Policy"]


# What is not


@pytest.mark.parametrize(("site_allows", "public", "ticked"), list(product([True, False], repeat=3)))
def test_it_is_open_only_where_the_site_the_team_and_its_visibility_agree(
    client: Client, shut: Collab, settings: Settings, site_allows: bool, public: bool, ticked: bool
) -> None:
    settings.VISITORS_READ_FILES = site_allows
    Collab.objects.filter(pk=shut.pk).update(is_public=public, visitors_read=ticked)
    type(shut.library).objects.filter(pk=shut.library.pk).update(is_public=public)
    for address in (
        FILES,
        f"{FILES}data.txt",
        f"{FILES}data.txt?show=raw",
        f"{FILES}?show=zip",
        PAGES,
        f"{PAGES}page.md",
    ):
        response = client.get(address)
        if public and not (site_allows and ticked):
            assert leads_to_sign_in(response), address
        else:
            assert response.status_code == (200 if public else 404), address
        assert SECRET.encode() not in body(response)


def test_a_library_that_is_not_public_itself_is_not_open(client: Client, opened: Collab) -> None:
    type(opened.library).objects.filter(pk=opened.library.pk).update(is_public=False)
    assert leads_to_sign_in(client.get(FILES))


def test_every_other_page_leads_to_the_sign_in(client: Client, opened: Collab) -> None:
    for path, is_folder in (("", True), ("sub/", True), ("data.txt", False)):
        for address, right in pages_of(path, is_folder):
            response = client.get(address)
            assert leads_to_sign_in(response) == (right != registry.Right.LINK), address
            assert SECRET.encode() not in body(response), address
    for address in (f"{COLLAB}team/", SETTINGS, f"{FILES}?show=no-such-page"):
        assert client.get(address).status_code in (302, 404)


def test_no_hidden_file_is_given_by_any_address(client: Client, opened: Collab) -> None:
    for path in HIDDEN:
        for is_folder in (True, False):
            for address, _right in pages_of(path + "/" * is_folder, is_folder):
                assert client.get(f"{address}&hidden=1").status_code == 404, address
        assert client.get(f"{PAGES}{path}").status_code == 404
    assert client.get(f"{FILES}.shown/").status_code == 404
    assert body(client.get(f"{FILES}.shown/h.png?show=raw")) == b"picture"  # the README shows it, as it did before
    packed = zipfile.ZipFile(io.BytesIO(body(client.get(f"{FILES}?show=zip&hidden=1")))).namelist()
    assert not [name for name in packed if "/." in name]
    assertNotContains(client.get(f"{FILES}?hidden=1"), ".env")
    assertNotContains(client.get(PAGES), "deep")


def test_nothing_can_be_changed(client: Client, opened: Collab) -> None:
    place = layout.find(opened.library.pk)
    before = {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    for action, address in product(registry.ACTIONS, (FILES, f"{FILES}sub/", f"{FILES}data.txt")):
        form = {
            "do": action,
            "name": "data.txt",
            "old": "data.txt",
            "new": "x",
            "text": "x",
            "kind": "folder",
            "id": "1",
        }
        assert leads_to_sign_in(client.post(address, form)), (action, address)
    for method, path in product(("put", "delete", "patch"), ("", "data.txt", "new.txt")):
        assert getattr(client, method)(f"{FILES}{path}", b"x").status_code in (302, 405)
    assert {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_no_other_door_is_opened(client: Client, opened: Collab) -> None:
    library = opened.library.pk
    for address in (f"/drive/{library}/", f"/drive/{library}/data.txt", f"/drive/sharing/{library}/", "/drive/"):
        assert leads_to_sign_in(client.get(address)), address
    for address in (f"/api/v1/libraries/{library}", f"/api/v1/libraries/{library}/files/data.txt", "/dav/"):
        assert client.get(address).status_code == 401, address


def test_no_other_library_is_opened(client: Client, opened: Collab, owner: User, collab: Collab) -> None:
    operations.write(owner, collab.library, "data.txt", SECRET.encode())
    Collab.objects.filter(pk=collab.pk).update(visitors_read=True)  # whatever happened: it is private
    assert client.get("/collabs/cortex/files/data.txt").status_code == 404
    own = library_services.create_library(owner, "Own")
    library_services.set_public(owner, own, True)
    assert leads_to_sign_in(client.get(f"/drive/{own.pk}/"))


def test_files_have_no_method_that_gives_more(opened: Collab, rf: Any) -> None:
    request = rf.get(FILES)
    request.user = Client().get("/").wsgi_request.user
    access = visitor_access(request, "open-cortex")
    assert access is not None
    with access.files() as files:
        assert isinstance(files, VisibleFiles)
        with pytest.raises(NotFoundError):
            files.rename("data.txt", "b.txt")
    request.method = "POST"
    assert visitor_access(request, "open-cortex") is None


def test_who_is_signed_in_sees_it_as_before(opened: Collab, stranger: User, viewer: User, sign_in: SignIn) -> None:
    for person in (stranger, viewer):
        client = sign_in(person)
        page = client.get(FILES)
        for words in ("Trash", "Open in Lab", "By</th>"):
            assertContains(page, words)
        assertContains(client.get(f"{FILES}data.txt?show=versions"), "data.txt")
        assert "X-Robots-Tag" not in page


# How it ends


@pytest.mark.parametrize("how", ["untick", "private", "delete", "site"])
def test_it_ends_with_the_next_request(
    client: Client, opened: Collab, owner: User, settings: Settings, how: str
) -> None:
    first = client.get(f"{FILES}data.txt?show=raw")
    assert body(first) == b"published"
    if how == "untick":
        change(owner, opened, visitors_read=False)
    elif how == "private":
        change(owner, opened, is_public=False)
    elif how == "delete":
        services.delete_collab(owner, opened)
    else:
        settings.VISITORS_READ_FILES = False
    for headers in ({}, {"If-None-Match": first["ETag"]}):
        response = client.get(f"{FILES}data.txt?show=raw", headers=headers)
        assert response.status_code == (404 if how in ("private", "delete") else 302)
        assert "published" not in body(response).decode()


def test_a_collab_that_is_made_public_again_is_not_open(client: Client, opened: Collab, owner: User) -> None:
    change(owner, opened, is_public=False)
    change(owner, opened, is_public=True)
    assert leads_to_sign_in(client.get(FILES))
    assert not Collab.objects.get(pk=opened.pk).visitors_read


@pytest.mark.parametrize(
    "path", ["", "data.txt", "data.txt?show=raw", "data.txt?show=rendering", "?show=zip", "?show=find&q=a"]
)
def test_nothing_keeps_it(client: Client, opened: Collab, path: str) -> None:
    response = client.get(FILES + path)
    body(response)
    assert response["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert response["Cache-Control"] in ("private, no-cache", "private, no-store")
    assert "Cookie" in response["Vary"]


def test_a_flood_is_held_back_and_nobody_else(
    client: Client, opened: Collab, viewer: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "REQUESTS", 4)
    monkeypatch.setattr(visitors, "COSTLY", {"zip": 1, "find": 2})
    archives = [client.get(f"{FILES}?show=zip&x={number}") for number in range(2)]
    assert all(map(body, archives))  # one that nobody takes keeps its place among those that are sent
    assert [archive.status_code for archive in archives] == [200, 429]
    assert [client.get(path).status_code for path in (FILES, PAGES, FILES)] == [200, 200, 429]
    assert Client(REMOTE_ADDR="192.0.2.7").get(FILES).status_code == 200
    assert sign_in(viewer).get(FILES).status_code == 200


# Who opens it


def test_it_asks_first_and_says_who_will_see_what(shut: Collab, owner: User, sign_in: SignIn, client: Client) -> None:
    asks = sign_in(owner)
    assertContains(asks.get(SETTINGS), 'name="visitors_read"')
    asked = asks.post(SETTINGS, FORM | {"visitors_read": "on"})
    for words in (
        "Open the files to visitors?",
        "Anybody in the world",
        "earlier versions",
        'name="let_visitors_read"',
    ):
        assertContains(asked, words)
    assertNotContains(asked, "Make this Collab public?")
    assert leads_to_sign_in(client.get(FILES))
    assertRedirects(asks.post(SETTINGS, FORM | {"visitors_read": "on", "let_visitors_read": ""}), SETTINGS)
    assert client.get(FILES).status_code == 200
    assert AuditEntry.objects.filter(verb="collab.changed").latest("pk").details["after"]["visitors_read"] is True
    assertRedirects(asks.post(SETTINGS, FORM | {"visitors_read": "on", "description": "Newer."}), SETTINGS)
    assertContains(asks.get(f"/drive/sharing/{shut.library.pk}/"), "Visitors without an account can read")


def test_being_asked_about_one_thing_is_not_being_asked_about_the_other(
    collab: Collab, owner: User, sign_in: SignIn
) -> None:
    asks, page = sign_in(owner), "/collabs/cortex/settings/"
    form = {"title": "Cortex", "description": "", "is_public": "on", "visitors_read": "on"}
    both = asks.post(page, form)
    for words in ("Make this Collab public?", "Open the files to visitors?", 'name="make_public"'):
        assertContains(both, words)
    for said in ("make_public", "let_visitors_read"):
        assertContains(asks.post(page, form | {said: ""}), "Change nothing")
        assert not Collab.objects.get(pk=collab.pk).is_public
    assertRedirects(asks.post(page, form | {"make_public": "", "let_visitors_read": ""}), page)
    assert Collab.objects.get(pk=collab.pk).lets_visitors_read


def test_a_private_collab_cannot_be_opened_but_made_private_at_any_time(
    opened: Collab, collab: Collab, owner: User, sign_in: SignIn
) -> None:
    asks = sign_in(owner)
    private = {"title": "Cortex", "description": "", "visitors_read": "on", "let_visitors_read": ""}
    refused = asks.post("/collabs/cortex/settings/", private)
    assertContains(refused, "Visitors can read the files of a public Collab only.", status_code=422)
    asks.post(SETTINGS, {"title": "Open Cortex", "description": "", "visitors_read": "on"})
    for each in (opened, collab):
        each.refresh_from_db()
        assert (each.is_public, each.visitors_read) == (False, False)


@pytest.mark.parametrize("who", ["editor", "viewer", "stranger"])
def test_only_administrators_open_it(shut: Collab, request: pytest.FixtureRequest, sign_in: SignIn, who: str) -> None:
    person = request.getfixturevalue(who)
    answer = sign_in(person).post(SETTINGS, FORM | {"visitors_read": "on", "let_visitors_read": ""})
    assert answer.status_code == 403
    assert not Collab.objects.get(pk=shut.pk).visitors_read


def test_nobody_opens_it_where_the_site_does_not_allow_it(
    shut: Collab, owner: User, sign_in: SignIn, settings: Settings
) -> None:
    settings.VISITORS_READ_FILES = False
    assertNotContains(sign_in(owner).get(SETTINGS), "visitors_read")
    sign_in(owner).post(SETTINGS, FORM | {"visitors_read": "on", "let_visitors_read": ""})
    assert not Collab.objects.get(pk=shut.pk).visitors_read
    with pytest.raises(ValidationError):
        change(owner, shut, visitors_read=True)


def test_a_new_collab_is_not_open(owner: User, sign_in: SignIn) -> None:
    sign_in(owner).post("/collabs/new/", {"title": "New", "is_public": "on", "visitors_read": "on"})
    assert not Collab.objects.get(title="New").visitors_read


# Whatever happens

titles = count()


class Visits(RuleBasedStateMachine):
    """One Collab, changed by those who may and those who may not, and a visitor who looks all the time."""

    people: dict[str, User]

    @initialize()
    def begin(self) -> None:
        owner = self.people["owner"]
        self.collab = services.create_collab(owner, title=f"Visited {next(titles)}")
        services.add_member(owner, self.collab, self.people["editor"], Role.EDITOR)
        (layout.find(self.collab.library.pk) / "a.txt").write_text("a")
        (layout.find(self.collab.library.pk) / ".hidden").write_text(SECRET)
        self.browsers = {name: Client() for name in self.people}
        for name, browser in self.browsers.items():
            browser.force_login(self.people[name])
        self.is_public = self.is_opened = self.is_deleted = False

    @rule(
        name=st.sampled_from(["owner", "editor", "stranger"]),
        public=st.booleans(),
        visitors_read=st.booleans(),
        asked=st.booleans(),
    )
    def save_settings(self, name: str, public: bool, visitors_read: bool, asked: bool) -> None:
        form = {"title": self.collab.title, "description": ""}
        form |= {"is_public": "on"} if public else {}
        form |= {"visitors_read": "on"} if visitors_read else {}
        form |= {"make_public": "", "let_visitors_read": ""} if asked else {}
        answer = self.browsers[name].post(f"{self.collab.get_absolute_url()}settings/", form)
        if name != "owner" or self.is_deleted:
            assert answer.status_code in (403, 404)
            return
        gives = (public and not self.is_public) or (visitors_read and not self.is_opened)
        if visitors_read and not public and not self.is_opened:
            assert answer.status_code == 422
        elif gives and not asked:
            assert answer.status_code == 200
        else:
            assert answer.status_code == 302
            self.is_public, self.is_opened = public, public and visitors_read

    @rule()
    def delete_or_restore(self) -> None:
        (services.restore_collab if self.is_deleted else services.delete_collab)(self.people["owner"], self.collab)
        self.is_deleted = not self.is_deleted

    @rule()
    def rename_by_program(self) -> None:
        """A change that names neither leaves both as they are."""
        if not self.is_deleted:
            self.collab = change(self.people["owner"], self.collab, title=f"Visited {next(titles)}")

    @rule(site_allows=st.booleans())
    def look(self, site_allows: bool) -> None:
        with override_settings(VISITORS_READ_FILES=site_allows):
            self.expect(site_allows)

    @invariant()
    def a_visitor_sees_what_the_model_says(self) -> None:
        if hasattr(self, "is_deleted"):
            self.expect(site.VISITORS_READ_FILES)

    def expect(self, site_allows: bool) -> None:
        base = f"{self.collab.get_absolute_url()}files/"
        seen = 404 if self.is_deleted or not self.is_public else 200 if self.is_opened and site_allows else 302
        assert Client().get(f"{base}a.txt?show=raw").status_code == seen
        assert Client().get(f"{base}.hidden?show=raw").status_code == (302 if seen == 302 else 404)
        assert Client().get(f"{base}a.txt?show=versions").status_code == (404 if seen == 404 else 302)
        assert Client().put(f"{base}a.txt", b"x").status_code == (404 if seen == 404 else 302)


@pytest.mark.slow
def test_visitors_see_exactly_what_the_table_gives(owner: User, editor: User, stranger: User) -> None:
    Visits.people = {"owner": owner, "editor": editor, "stranger": stranger}
    run_state_machine_as_test(
        Visits,
        settings=bounds(max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)),
    )
