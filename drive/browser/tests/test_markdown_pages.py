"""A Collab's pages in Markdown, and its latest changes."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services as collab_services
from collabs.models import Collab
from drive.files import operations, recent
from drive.libraries import services
from drive.models import File, Library
from drive.storage import layout
from drive.versions import records
from portal.models import User

SignIn = Callable[[User], Client]

TEXT = b"""# Protocol

[next](sub/next%20page.md#how) [data](data.csv) ![figure](sub/fig.png) <script>alert(1)</script> [out](../../../admin/)
"""


def write(collab: Collab, path: str, content: bytes = b"# Text\n") -> None:
    """As somebody does on the web, folders included."""
    owner = User.objects.get(username="owner")
    place = layout.find(collab.library.pk) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    operations.write(owner, collab.library, path, content)


def pages(collab: Collab, path: str = "") -> str:
    return f"{collab.get_absolute_url()}pages/{path}"


def files(collab: Collab, path: str = "") -> str:
    return f"{collab.get_absolute_url()}files/{path}"


# Who


@pytest.mark.parametrize(
    ("who", "private", "public"),
    [
        ("owner", 200, 200),
        ("editor", 200, 200),
        ("viewer", 200, 200),
        ("stranger", 404, 200),
        ("operator", 404, 200),
        ("anonymous", 404, "sign in"),
    ],
)
def test_it_shows_pages_to_those_who_may_read_the_files(
    who: str,
    private: int,
    public: int | str,
    collab: Collab,
    public_collab: Collab,
    stranger: User,
    operator: User,
    sign_in: SignIn,
) -> None:
    client = Client() if who == "anonymous" else sign_in(User.objects.get(username=who))
    for team, expected in ((collab, private), (public_collab, public)):
        write(team, "protocol.md")
        for address in (pages(team), pages(team, "protocol.md"), pages(team, "none.md")):
            response = client.get(address)
            if expected == "sign in":
                assertRedirects(response, f"/account/login/?next={address}", fetch_redirect_response=False)
            else:
                assert response.status_code == (404 if "none" in address else expected)


def test_it_shows_visitors_the_readme_of_a_public_collab_only(
    client: Client, collab: Collab, public_collab: Collab
) -> None:
    for team in (collab, public_collab):
        write(team, "README.md")
    assertRedirects(client.get(pages(public_collab, "README.md")), public_collab.get_absolute_url())
    assert client.get(pages(collab, "README.md")).status_code == 404


@pytest.mark.slow
def test_it_offers_only_what_the_person_may_do(
    collab: Collab, owner: User, editor: User, viewer: User, sign_in: SignIn
) -> None:
    write(collab, "protocol.md")
    edit, lab = f'href="{files(collab, "protocol.md")}?show=edit"', "path=Shared+with+groups%2FCortex%2Fprotocol.md"
    for user, may in ((editor, True), (viewer, False)):
        html = sign_in(user).get(pages(collab, "protocol.md")).content.decode()
        assert (edit in html) is may
        assert lab in html
        missing = sign_in(user).get(pages(collab, "other.md"))
        assert ("Create page" in missing.content.decode()) is may
    collab_services.archive_collab(owner, collab)
    assertNotContains(sign_in(editor).get(pages(collab, "protocol.md")), "show=edit")
    assertNotContains(sign_in(editor).get(pages(collab, "other.md")), "Create page", status_code=404)


# What


@pytest.mark.slow
def test_it_leads_from_page_to_page_to_files_and_to_pictures(collab: Collab, viewer: User, sign_in: SignIn) -> None:
    write(collab, "protocol.md", TEXT)
    write(collab, "sub/next page.md", b"[back](../protocol.md) ![](fig.png) [here](#how)\n\n## How\n")
    write(collab, "sub/fig.png", b"\x89PNG\r\n\x1a\n")
    write(collab, "data.csv", b"1,2")
    write(collab, "README.md", b"[protocol](protocol.md)")
    client = sign_in(viewer)
    first = client.get(pages(collab, "protocol.md"))
    assertContains(first, f'href="{pages(collab, "sub/next%20page.md")}#text-how"')
    assertContains(first, f'href="{files(collab, "data.csv")}"')
    assertContains(first, f'src="{files(collab, "sub/fig.png")}?show=raw"')
    assertNotContains(first, "alert(1)")
    assertNotContains(first, "/admin/")
    second = client.get(pages(collab, "sub/next%20page.md"))
    assertContains(second, f'href="{pages(collab, "protocol.md")}"')
    assertContains(second, f'src="{files(collab, "sub/fig.png")}?show=raw"')
    assertContains(second, 'id="text-how"')
    assertContains(client.get(collab.get_absolute_url()), f'href="{pages(collab, "protocol.md")}"')
    for address in (files(collab, "data.csv"), f"{files(collab, 'sub/fig.png')}?show=raw"):
        assert client.get(address).status_code == 200


def test_it_lists_all_pages_and_nothing_else(collab: Collab, viewer: User, sign_in: SignIn) -> None:
    client = sign_in(viewer)
    assertContains(client.get(pages(collab)), "There are no pages yet.")
    for path in ("b.md", "sub/A.MD", "data.csv", ".hidden.md", ".git/x.md", "notes.markdown", "md"):
        write(collab, path)
    response = client.get(pages(collab))
    assert [path for path, _address in response.context["pages"]] == ["b.md", "notes.markdown", "sub/A.MD"]


def test_it_leads_a_folder_to_its_readme_or_its_files(collab: Collab, viewer: User, sign_in: SignIn) -> None:
    write(collab, "with/Readme.md")
    write(collab, "without/a.md")
    client = sign_in(viewer)
    assertRedirects(client.get(pages(collab, "with/")), pages(collab, "with/Readme.md"))
    assertRedirects(client.get(pages(collab, "without")), files(collab, "without/"))


@pytest.mark.parametrize("path", ["data.csv", "link.md", "../../x.md", "%2e%2e/x.md", "a%00.md", "x" * 300 + ".md"])
def test_it_shows_nothing_else_as_a_page(
    collab: Collab, viewer: User, sign_in: SignIn, tmp_path: Path, path: str
) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("SECRET")
    write(collab, "data.csv")
    (layout.find(collab.library.pk) / "link.md").symlink_to(secret)
    assertNotContains(sign_in(viewer).get(pages(collab, path)), "SECRET", status_code=404)


def test_it_is_begun_where_a_link_leads(collab: Collab, editor: User, sign_in: SignIn) -> None:
    client = sign_in(editor)
    assertContains(client.get(pages(collab, "plan.md")), "Create page", status_code=404)
    assertContains(client.get(pages(collab, "none/plan.md")), "does not exist either", status_code=404)
    client.post(files(collab), {"do": "create", "kind": "markdown", "name": "plan.md"})
    assertContains(client.get(pages(collab, "plan.md")), "plan</h2>")
    assertContains(client.get(files(collab, "plan.md")), f'href="{pages(collab, "plan.md")}"')


def test_it_changes_nothing(collab: Collab, owner: User, sign_in: SignIn) -> None:
    write(collab, "a.md")
    for method in ("post", "put", "delete", "patch"):
        assert getattr(sign_in(owner), method)(pages(collab, "a.md")).status_code == 405
        assert getattr(sign_in(owner), method)(pages(collab)).status_code == 405


# What changed last


def change(library: Library, path: str, minutes: int, **fields: Any) -> File:
    """A row as a scan makes one."""
    at = timezone.now() - timedelta(minutes=minutes)
    return records.found(library, path, records.State(f"{path}{minutes}", 1, at), by=fields.get("by"))


def test_it_shows_what_changed_last_and_by_whom(collab: Collab, editor: User, viewer: User, sign_in: SignIn) -> None:
    write(collab, "web.csv")
    change(collab.library, "lab.csv", 5, by=editor)
    change(collab.library, "unknown.csv", 7)
    for hidden in (".hidden", "a/.git/x", ".ipynb_checkpoints/x.ipynb"):
        change(collab.library, hidden, 0)
    found = recent.of_library(collab.library, 6)
    assert [(file.path, file.author) for file in found] == [
        ("web.csv", "Olga Owner"),
        ("lab.csv", "Emil Editor in the Lab"),
        ("unknown.csv", "a Lab"),
    ]
    assertContains(sign_in(viewer).get(collab.get_absolute_url()), "5\xa0minutes ago, Emil Editor in the Lab")


def test_it_forgets_what_was_deleted(collab: Collab, owner: User) -> None:
    write(collab, "a.csv")
    operations.delete(owner, collab.library, "a.csv")
    assert recent.of_library(collab.library, 6) == []


def test_it_finds_the_newest_over_many_libraries(owner: User, stranger: User) -> None:
    libraries = [services.create_library(owner, f"Data {number}") for number in range(9)]
    ages = {}
    for number, library in enumerate(libraries[:8]):
        for age in (number * 10 + 1, number * 3 + 2, 500 + number):
            ages[f"{number}-{age}"] = age
            change(library, f"{number}-{age}", age)
    for count in (1, 6, 40):
        found = [file.path for file in recent.of_person(owner, count)]
        assert sorted(ages[path] for path in found) == sorted(ages.values())[:count]
        assert [ages[path] for path in found] == sorted(ages[path] for path in found)
    assert recent.of_person(stranger, 6) == recent.of_person(AnonymousUser(), 6) == []


def test_it_shows_recent_files_of_ones_collabs_and_not_of_all_that_is_public(
    public_collab: Collab, editor: User, viewer: User, stranger: User, sign_in: SignIn
) -> None:
    write(public_collab, "team.csv")
    for member in (editor, viewer):
        assertContains(sign_in(member).get("/"), f'href="/drive/{public_collab.library.pk}/team.csv"')
    assertNotContains(sign_in(stranger).get("/"), "team.csv")


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/", "page", "pages/", "pages/a.md"])
def test_it_needs_no_more_queries_for_more_files(address: str, collab: Collab, owner: User, sign_in: SignIn) -> None:
    client = sign_in(owner)
    if not address.startswith("/"):
        address = collab.get_absolute_url() + address.removeprefix("page" if address == "page" else "")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    write(collab, "a.md")
    services.create_library(owner, "Data")
    queries()
    few = queries()
    for number in range(8):
        write(collab, f"{number}.md")
        change(services.create_library(owner, f"Data {number}"), "a.md", number)
    assert queries() == few


# The README for visitors

README = b"""![a](figs/a%20b.png) <img src="c.svg" width="9"> ![d](data.csv) ![e](../../../admin/x.png) [f](linked.png)

`![g](quoted.png)` ![h](/drive/x/other.png) &quot;src="typed.png?show=raw"
"""


def with_readme(collab: Collab) -> None:
    write(collab, "README.md", README)
    for path in ("figs/a b.png", "c.svg", "data.csv", "linked.png", "quoted.png", "typed.png", "other.png"):
        write(collab, path, b"bytes")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("figs/a%20b.png?show=raw", 200),
        ("c.svg?show=raw", 200),
        ("figs/a%20b.png", 302),
        ("figs/a%20b.png?show=edit", 302),
        ("figs/a%20b.png?show=versions", 302),
        ("data.csv?show=raw", 302),
        ("linked.png?show=raw", 302),
        ("quoted.png?show=raw", 302),
        ("typed.png?show=raw", 302),
        ("other.png?show=raw", 302),
        ("figs/../linked.png?show=raw", 302),
        ("README.md?show=raw", 302),
        ("?show=zip", 302),
    ],
)
def test_visitors_of_a_public_collab_see_the_pictures_of_its_readme_and_no_more(
    path: str, status: int, public_collab: Collab, client: Client
) -> None:
    with_readme(public_collab)
    response = client.get(files(public_collab, path))
    assert response.status_code == status
    if status == 302:
        assert "/account/login/" in response["Location"]
    page = client.get(public_collab.get_absolute_url()).content.decode()
    assert f'src="{files(public_collab, "figs/a%20b.png")}?show=raw"' in page


def test_visitors_may_only_look_at_pictures_of_a_readme(public_collab: Collab, client: Client) -> None:
    with_readme(public_collab)
    address = files(public_collab, "c.svg?show=raw")
    for answer in (client.post(address, {"do": "delete"}), client.put(address, b"x")):
        assert answer.status_code in (302, 403)
    assert (layout.find(public_collab.library.pk) / "c.svg").read_bytes() == b"bytes"


def test_visitors_see_no_picture_of_a_private_collab(collab: Collab, public_collab: Collab, client: Client) -> None:
    with_readme(collab)
    assert client.get(files(collab, "c.svg?show=raw")).status_code == 404
    with_readme(public_collab)
    public_collab.is_public = False
    public_collab.save()
    assert client.get(files(public_collab, "c.svg?show=raw")).status_code == 404


def test_a_picture_that_the_readme_shows_no_more_is_gone_for_visitors(public_collab: Collab, client: Client) -> None:
    with_readme(public_collab)
    assert client.get(files(public_collab, "c.svg?show=raw")).status_code == 200
    write(public_collab, "README.md", b"nothing")
    assert client.get(files(public_collab, "c.svg?show=raw")).status_code == 302
