"""Hidden names (that begin with a dot): what a public link and a ZIP never give unasked, such as `.git`."""

import io
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from drive.browser import registry
from drive.files.public_link_access import VisibleFiles, public_link_access
from drive.libraries import public_links, services
from drive.models import Library
from drive.storage import NotFoundError, layout, open_library
from portal.models import User

SignIn = Callable[[User], Client]
REVERTED = "what-the-author-had-just-reverted"
HIDDEN = (
    ".env",
    ".git/config",
    ".ipynb_checkpoints/result-checkpoint.md",
    "sub/.ipynb_checkpoints/below-checkpoint.txt",
    "sub/.cache/deep/er.txt",
    "..odd",
)


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


@pytest.fixture
def library(owner: User) -> Library:  # instead of the Collab's
    library = services.create_library(owner, "Data")
    given = layout.find(library.pk) / "given"
    (given / "sub").mkdir(parents=True)
    (given / "result.md").write_text("# Published\n\n![](.ipynb_checkpoints/picture.png)")
    (given / "sub/below.txt").write_text("published")
    for path in HIDDEN:
        (given / path).parent.mkdir(parents=True, exist_ok=True)
        (given / path).write_text(REVERTED)
    return library


def link_to(owner: User, library: Library, path: str) -> str:
    return f"/l/{public_links.token(public_links.make_link(owner, library, path))}/"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def names_in(response: Any) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(body(response))).namelist())


@pytest.mark.slow
def test_a_link_to_a_folder_gives_no_hidden_file_by_its_address(client: Client, owner: User, library: Library) -> None:
    base = link_to(owner, library, "given")
    for path in HIDDEN:
        parts = path.split("/")
        for address in {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)} - {"sub"}:
            for page in [*registry.FILE_PAGES, *(f"/{name}" for name in registry.FOLDER_PAGES)]:
                slash, name = page[: page.startswith("/")], page.lstrip("/")
                response = client.get(f"{base}{quote(address)}{slash}?show={name}&q=e&hidden=1")
                assert response.status_code == 404, (address, page)
                assert REVERTED.encode() not in body(response)


def test_a_link_to_a_folder_lists_and_finds_no_hidden_name(client: Client, owner: User, library: Library) -> None:
    base = link_to(owner, library, "given")
    for address in (base, f"{base}?hidden=1", f"{base}?hidden=1&sort=-size", f"{base}?hidden=1&sort=date"):
        page = client.get(address)
        assertContains(page, "result.md")
        for words in (".env", ".git", ".ipynb_checkpoints", "..odd", "hidden file"):
            assertNotContains(page, words)
    for words in ("env", "checkpoint", "config", "odd"):
        assertNotContains(client.get(f"{base}?show=find&q={words}&hidden=1"), REVERTED)
        assertContains(client.get(f"{base}?show=find&q={words}&hidden=1"), "No name contains")


@pytest.mark.parametrize("asked", ["", "&hidden=1"])
def test_a_link_to_a_folder_packs_no_hidden_file(client: Client, owner: User, library: Library, asked: str) -> None:
    base = link_to(owner, library, "given")
    assert names_in(client.get(f"{base}?show=zip{asked}")) == {
        "given/", "given/result.md", "given/sub/", "given/sub/below.txt"
    }  # fmt: skip
    some = names_in(client.get(f"{base}?show=zip&name=sub&name=.git&name=.nothing{asked}"))
    assert some == {"sub/", "sub/below.txt", "Left out.txt"}


def test_a_link_to_a_whole_library_is_no_way_around(client: Client, owner: User, library: Library) -> None:
    base = link_to(owner, library, "")
    assert client.get(f"{base}given/.env?show=raw").status_code == 404
    assert not [name for name in names_in(client.get(f"{base}?show=zip&hidden=1")) if "/." in name]


def test_a_link_made_to_something_hidden_gives_it(client: Client, owner: User, library: Library) -> None:
    """Whoever made it asked for it; hidden names below stay hidden."""
    assert body(client.get(link_to(owner, library, "given/.env") + ".env?show=raw")).decode() == REVERTED
    (layout.find(library.pk) / "given/.git/.more").write_text(REVERTED)
    base = link_to(owner, library, "given/.git")
    assert body(client.get(f"{base}config?show=raw")).decode() == REVERTED
    assert client.get(f"{base}.more?show=raw").status_code == 404
    assert names_in(client.get(f"{base}?show=zip&hidden=1")) == {".git/", ".git/config"}


def test_files_of_a_link_have_no_method_that_gives_more(owner: User, library: Library) -> None:
    """What is added to the storage layer is no way to a hidden file until somebody lets it be one."""
    link = public_links.make_link(owner, library, "given")
    with public_link_access(link, "/l/x/").files() as files:
        assert isinstance(files, VisibleFiles)
        assert {item.name for item in files.look("", ["result.md", ".env"])} == {"result.md"}
        assert {item.name for item in files.list()} == {name for name, _ in files.names()} == {"result.md", "sub"}
        assert {name for name, *_ in files.facts()} == {"result.md", "sub"}
        for name in ("write", "put", "delete", "rename", "below", "make_folder"):
            with pytest.raises(NotFoundError):
                getattr(files, name)


def test_a_member_packs_hidden_files_when_asked(owner: User, library: Library, sign_in: SignIn) -> None:
    member, base = sign_in(owner), f"/drive/{library.pk}/given/"
    all_files = {f"given/{path}" for path in HIDDEN}
    assert names_in(member.get(f"{base}?show=zip")) == {
        "given/", "given/result.md", "given/sub/", "given/sub/below.txt"
    }  # fmt: skip
    assert names_in(member.get(f"{base}?show=zip&hidden=1")) > all_files
    assertContains(member.get(base), "?show=zip")
    assertContains(member.get(f"{base}?hidden=1"), "?show=zip&amp;hidden=1")
    # What is ticked by its name was asked for; what is hidden below it was not.
    posted = {"do": "zip", "name": ["sub", ".git"]}
    assert names_in(member.post(base, posted)) == {"sub/", "sub/below.txt", ".git/", ".git/config"}
    assert "sub/.cache/deep/er.txt" in names_in(member.post(f"{base}?hidden=1", posted))


def test_a_members_own_pages_and_copies_are_as_before(owner: User, library: Library, sign_in: SignIn) -> None:
    member, base = sign_in(owner), f"/drive/{library.pk}/given/"
    assertContains(member.get(base), "Show 4 hidden files")
    assertContains(member.get(f"{base}?hidden=1"), ".ipynb_checkpoints/")
    assert body(member.get(f"{base}.env?show=raw")).decode() == REVERTED
    member.post(base, {"do": "copy", "name": "sub", "to": f"{library.pk}/", "go": "1"})
    with open_library(library) as files:
        assert files.stat("sub/.cache/deep/er.txt").kind == "file"


def test_a_visitor_with_an_account_takes_a_copy_without_hidden_files(
    owner: User, stranger: User, library: Library, sign_in: SignIn
) -> None:
    given = layout.find(library.pk) / "given"
    (given / "sub/link").symlink_to("/somewhere/private")
    base, visitor = link_to(owner, library, "given"), sign_in(stranger)
    assertContains(visitor.get(base), "Copy to My Library")
    own = Library.objects.get(owner_user=stranger, is_default=True)
    answer = visitor.post(base, {"do": "take"})
    assert answer["Location"] == f"/drive/{own.pk}/given/"
    assert sorted(str(path.relative_to(layout.find(own.pk))) for path in layout.find(own.pk).rglob("*")) == [
        "given", "given/result.md", "given/sub", "given/sub/below.txt"
    ]  # fmt: skip
    again = visitor.post(f"{base}result.md", {"do": "take", "open": "1"})
    assert again["Location"] == "/lab/open?path=My+Libraries%2FMy+Library%2Fresult.md"
    assert visitor.post(base, {"do": "take"})["Location"] == f"/drive/{own.pk}/given%20%28copy%29/"
    for path in HIDDEN:
        visitor.post(f"{base}{quote(path)}", {"do": "take"})
    assert not [path for path in layout.find(own.pk).rglob("*") if path.is_file() and REVERTED in path.read_text()]


def test_a_visitor_takes_one_file_and_nothing_beside_it(
    owner: User, stranger: User, library: Library, sign_in: SignIn
) -> None:
    base, visitor = link_to(owner, library, "given/result.md"), sign_in(stranger)
    own = Library.objects.get(owner_user=stranger, is_default=True)
    assertContains(visitor.get(f"{base}result.md"), "Copy to My Library")
    assert visitor.post(base, {"do": "take"})["Location"] == f"/drive/{own.pk}/result.md"
    for path in ("sub", ".env", "../given"):
        visitor.post(f"{base}{path}", {"do": "take"})
    assert [path.name for path in layout.find(own.pk).iterdir()] == ["result.md"]


def test_only_who_has_an_account_and_the_password_takes_a_copy(
    client: Client, owner: User, stranger: User, library: Library, sign_in: SignIn
) -> None:
    made = public_links.make_link(owner, library, "given", password="open, sesame")
    base, own = f"/l/{public_links.token(made)}/", Library.objects.get(owner_user=stranger, is_default=True)
    visitor = sign_in(stranger)
    assert visitor.post(base, {"do": "take"}).status_code == 403
    assert not list(layout.find(own.pk).iterdir())
    visitor.post(base, {"password": "open, sesame"})
    assert visitor.post(base, {"do": "take"}).status_code == 302
    assert [path.name for path in layout.find(own.pk).iterdir()] == ["given"]
    anybody = link_to(owner, library, "given")
    assert client.post(anybody, {"do": "take"}).status_code == 405
    assertNotContains(client.get(anybody), "Copy to My Library")
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(stranger)
    assert checked.post(anybody, {"do": "take"}).status_code == 403
    public_links.revoke_link(owner, public_links.find(base.split("/")[2]) or made)
    assert visitor.post(base, {"do": "take"}).status_code == 404


def test_what_does_not_fit_is_not_taken(
    owner: User, stranger: User, library: Library, sign_in: SignIn, settings: Settings
) -> None:
    settings.QUOTA_PERSON_BYTES = 10
    base, visitor = link_to(owner, library, "given"), sign_in(stranger)
    page = visitor.post(base, {"do": "take"}, follow=True)
    assert page.redirect_chain == [(base, 302)]
    own = Library.objects.get(owner_user=stranger, is_default=True)
    assert not list(layout.find(own.pk).iterdir())
