"""A folder's page: how it is sorted and paged, what it says of odd things, and what is made on it."""

import json
import os
import re
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from drive.files import listing
from drive.files.paths import name_in_form
from drive.libraries import services
from drive.models import Library
from drive.storage import LibraryFiles, open_library
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def as_editor(editor: User, sign_in: SignIn) -> Client:
    return sign_in(editor)


def names(page: Any) -> list[str]:
    """What the list shows, in its order."""
    return re.findall(r'<td class="name"><a [^>]*>([^<]*?)/?</a>', page.content.decode())


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["sub", "A.txt", "b.txt", "c.txt"]),
        ("-name", ["sub", "c.txt", "b.txt", "A.txt"]),
        ("size", ["sub", "b.txt", "c.txt", "A.txt"]),
        ("-size", ["sub", "A.txt", "c.txt", "b.txt"]),
        ("date", ["sub", "c.txt", "A.txt", "b.txt"]),
        ("-date", ["sub", "b.txt", "A.txt", "c.txt"]),
        ("nonsense", ["sub", "A.txt", "b.txt", "c.txt"]),
    ],
)
def test_it_sorts_with_folders_first(
    as_editor: Client, library: Library, place: Path, sort: str, expected: list[str]
) -> None:
    (place / "sub").mkdir()
    for name, size, seconds in [("A.txt", 30, 2000), ("b.txt", 10, 3000), ("c.txt", 20, 1000)]:
        (place / name).write_bytes(b"x" * size)
        os.utime(place / name, (seconds, seconds))
    page = as_editor.get(f"/drive/{library.pk}/?sort={sort}")
    assert names(page) == expected
    aria = "descending" if sort.startswith("-") else "ascending"
    assert page.content.decode().count("aria-sort") == page.content.decode().count(f'aria-sort="{aria}"') == 1


@pytest.mark.slow
def test_it_shows_the_last_page_for_one_that_is_not_there(as_editor: Client, library: Library, place: Path) -> None:
    for number in range(listing.PER_PAGE + 3):
        (place / f"{number:04}").touch()
    for page in ("2", "3", "99", "9" * 9):
        assert names(as_editor.get(f"/drive/{library.pk}/?page={page}")) == ["0200", "0201", "0202"]
    for page in ("", "0", "-1", "x", "9" * 5000, "²"):
        assert names(as_editor.get(f"/drive/{library.pk}/?page={page}"))[0] == "0000"


def test_it_goes_to_any_page(as_editor: Client, library: Library, place: Path) -> None:
    for number in range(listing.PER_PAGE + 1):
        (place / f"{number:04}").touch()
    page = as_editor.get(f"/drive/{library.pk}/?sort=-date&page=2&select=all").content.decode()
    form = page.partition('<nav class="pages"')[2].partition("</nav>")[0]
    assert 'name="sort" value="-date"' in form
    assert 'max="2" value="2"' in form
    assert 'href="?sort=-date&amp;page=1"' in form


def peak_of(files: LibraryFiles, sort: str) -> int:
    """Bytes that reading the first page takes at most."""
    tracemalloc.start()
    shown = listing.read_listing(files, "", "1", sort)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(shown.page.object_list) == 20
    return peak


@pytest.mark.slow
def test_it_holds_little_of_a_large_folder(library: Library, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6000):
        (place / f"a file with a name of some length {number}").touch()
    monkeypatch.setattr(listing, "PER_PAGE", 20)
    peaks = {}
    with open_library(library) as files:
        for sort in listing.SORTS:
            peaks[sort] = min(peak_of(files, sort) for _ in range(2))  # other threads may need some meanwhile
    assert max(peaks.values()) < 400_000


def test_it_takes_as_many_queries_for_two_hundred_rows_as_for_one(
    as_editor: Client, library: Library, place: Path
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            as_editor.get(f"/drive/{library.pk}/")
        return len(captured)

    (place / "first").touch()
    queries()
    before = queries()
    for number in range(200):
        (place / f"{number}.ipynb").touch()
    assert queries() == before


@pytest.mark.slow
def test_it_says_what_odd_things_are(as_editor: Client, library: Library, place: Path) -> None:
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(place, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)
    (place / ("n" * 251 + ".txt")).touch()
    with (place / "sparse.bin").open("wb") as sparse:
        sparse.truncate(50 * 2**30)
    (Path(os.fsdecode(os.fsencode(place) + b"/\xff"))).mkdir()
    for sort in listing.SORTS:
        page = as_editor.get(f"/drive/{library.pk}/?sort={sort}")
        text = page.content.decode()
        assert page.status_code == 200
        for words in ("link, not followed", "not opened: pipe", "not opened: socket", "50.0\xa0GB", "n" * 251):
            assert words in text
        assert "�" in text
    for name in ("loop", "pipe", "sock"):
        assert as_editor.get(f"/drive/{library.pk}/{name}").status_code == 409


def test_it_shows_hidden_names_when_asked(as_editor: Client, library: Library, place: Path) -> None:
    (place / ".secret").touch()
    page = as_editor.get(f"/drive/{library.pk}/")
    assert "Show 1 hidden file" in page.content.decode()
    assert names(as_editor.get(f"/drive/{library.pk}/?hidden=1")) == [".secret"]


def test_it_ticks_all_without_a_script(as_editor: Client, library: Library, place: Path) -> None:
    for number in range(3):
        (place / str(number)).touch()
    url = f"/drive/{library.pk}/"
    assert as_editor.get(url).content.decode().count(" checked") == 0
    assert as_editor.get(url + "?select=all").content.decode().count(" checked") == 3


# Making


def create(client: Client, library: Library, kind: str, name: str, folder: str = "") -> Any:
    return client.post(f"/drive/{library.pk}/{folder}", {"do": "create", "kind": kind, "name": name})


@pytest.mark.parametrize(
    ("kind", "name", "made", "content"),
    [
        ("text", "notes", "notes.txt", b""),
        ("text", "run.py", "run.py", b""),
        ("markdown", "README", "README.md", b"# README\n"),
        ("markdown", "über uns.MD", "über uns.MD", "# über uns\n".encode()),
    ],
)
def test_it_makes_files_and_leads_to_them(
    as_editor: Client, library: Library, place: Path, kind: str, name: str, made: str, content: bytes
) -> None:
    (place / "sub").mkdir()
    answer = create(as_editor, library, kind, name, "sub/")
    assert (place / "sub" / made).read_bytes() == content
    assert answer.status_code == 302
    assert as_editor.get(answer["Location"]).status_code == 200


def test_it_makes_a_folder_and_leads_into_it(as_editor: Client, library: Library, place: Path) -> None:
    answer = create(as_editor, library, "folder", " re\u0301sultats ")
    assert [path.name for path in place.iterdir()] == ["r\u00e9sultats"]
    assert as_editor.get(answer["Location"]).status_code == 200


def test_it_makes_a_notebook_that_jupyter_takes(as_editor: Client, library: Library, place: Path) -> None:
    page = as_editor.post(
        f"/drive/{library.pk}/?sort=-date", {"do": "create", "kind": "notebook", "name": "A & B"}, follow=True
    )
    assert page.redirect_chain == [(f"/drive/{library.pk}/?sort=-date", 302)]
    assert "“A &amp; B.ipynb” was created." in page.content.decode()
    assert "/lab/open?path=Shared+with+groups%2FCortex%2FA+%26+B.ipynb" in page.content.decode().replace("&amp;", "&")
    notebook = json.loads((place / "A & B.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    [cell] = notebook["cells"]
    assert re.fullmatch("[a-zA-Z0-9-_]{1,64}", cell["id"])


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("text", "NOTES", "“notes.txt” already exists."),
        ("notebook", "x" * 255, "too long"),
        ("folder", "a/b", "Invalid file or folder name"),
        ("text", "..", "Invalid file or folder name"),
    ],
)
def test_it_says_why_nothing_was_made(
    as_editor: Client, library: Library, place: Path, kind: str, name: str, words: str
) -> None:
    (place / "notes.txt").write_text("mine")
    url = f"/drive/{library.pk}/"
    page = as_editor.post(url, {"do": "create", "kind": kind, "name": name}, follow=True)
    assert words in page.content.decode()
    assert [(path.name, path.read_text()) for path in place.iterdir()] == [("notes.txt", "mine")]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("folder", ["New folder", "New folder (2)"]),
        ("notebook", ["Untitled (2).ipynb", "Untitled.ipynb"]),
        ("markdown", ["Untitled (2).md", "Untitled.md"]),
        ("text", ["Untitled (2).txt", "Untitled.txt"]),
    ],
)
def test_it_names_what_was_given_no_name(
    as_editor: Client, library: Library, place: Path, kind: str, made: list[str]
) -> None:
    for _ in made:
        assert create(as_editor, library, kind, " ").status_code == 302
    assert sorted(path.name for path in place.iterdir()) == made


def test_enter_in_the_field_for_a_name_makes_what_the_name_says(
    as_editor: Client, library: Library, place: Path
) -> None:
    """The first button of the form is the one that a browser presses for Enter."""
    form = as_editor.get(f"/drive/{library.pk}/").content.decode().partition('value="create"')[2]
    assert re.findall('name="kind" value="([^"]*)"', form)[0] == "by-name"
    for name in ("raw data", "fit.py", "first look.ipynb", "notes.MD"):
        create(as_editor, library, "by-name", name)
    assert {path.name: path.is_dir() for path in place.iterdir()} == {
        "raw data": True, "fit.py": False, "first look.ipynb": False, "notes.MD": False
    }  # fmt: skip
    assert b"nbformat" in (place / "first look.ipynb").read_bytes()


def test_a_new_text_opens_in_the_editor(as_editor: Client, library: Library) -> None:
    assert create(as_editor, library, "markdown", "notes")["Location"] == f"/drive/{library.pk}/notes.md?show=edit"


def test_the_list_stands_right_below_one_bar(as_editor: Client, library: Library, place: Path) -> None:
    """No form but those of the bar's menus, which are closed, and the search in it stands before the list."""
    (place / "a.txt").touch()
    page = as_editor.get(f"/drive/{library.pk}/").content.decode()
    before = page.partition('id="content"')[2].partition('<table class="table files"')[0]
    outside_menus = re.sub(r"<details.*?</details>", "", before, flags=re.S)
    assert outside_menus.count("<form") == outside_menus.count('role="search"') == 1
    assert before.count("<details") == 4
    assert "<details open" not in before


def test_it_makes_no_other_kinds(as_editor: Client, library: Library) -> None:
    assert create(as_editor, library, "device", "x").status_code == 404


def test_it_lets_nobody_make_what_they_may_not(
    viewer: User, stranger: User, library: Library, place: Path, sign_in: SignIn
) -> None:
    (place / "a.txt").touch()
    actions = f"/drive/{library.pk}/?show=change&name=a.txt"
    for client, status, seen in [(sign_in(viewer), 403, 200), (sign_in(stranger), 404, 404), (Client(), 302, 302)]:
        assert create(client, library, "text", "x").status_code == status
        assert client.get(actions).status_code == seen
    page = sign_in(viewer).get(actions).content.decode()
    for word in ('value="rename"', 'value="delete"', 'value="move"'):
        assert word not in page
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_it_offers_a_viewer_no_changes(viewer: User, library: Library, place: Path, sign_in: SignIn) -> None:
    (place / "a.txt").touch()
    page = sign_in(viewer).get(f"/drive/{library.pk}/").content.decode()
    for word in ('value="delete"', 'value="create"', 'value="move"', 'value="rename"', "data-rename"):
        assert word not in page


# Changing one, and several


def test_it_has_a_page_for_one_thing(as_editor: Client, library: Library, place: Path) -> None:
    (place / "a b.txt").touch()
    url = f"/drive/{library.pk}/"
    page = as_editor.get(f"{url}?show=change&name={name_in_form('a b.txt')}").content.decode()
    assert f'action="{url}"' in page
    assert 'value="a b.txt"' in page
    assert as_editor.get(f"{url}?show=change&name=gone").status_code == 404
    assert as_editor.get(f"{url}?show=change").status_code == 404


def test_it_deletes_what_is_ticked(as_editor: Client, library: Library, place: Path) -> None:
    for name in ("a.txt", "b\n.txt", "c.txt"):
        (place / name).touch()
    (place / "full").mkdir()
    (place / "full/x").touch()
    ticked = [name_in_form(name) for name in ("a.txt", "b\n.txt", "full", "gone")]
    page = as_editor.post(f"/drive/{library.pk}/", {"do": "delete", "name": ticked}, follow=True).content.decode()
    assert "3 items were moved to the library&#x27;s trash." in page
    assert "“gone”: Nothing was found at this path." in page
    assert [path.name for path in place.iterdir()] == ["c.txt"]


def undo_form(page: str) -> dict[str, list[str]]:
    """Fields of the form that the message after a deletion has."""
    form = page.partition('<form class="undo"')[2].partition("</form>")[0]
    return {"do": re.findall('name="do" value="([^"]*)"', form), "id": re.findall('name="id" value="([^"]*)"', form)}


def test_a_deletion_is_undone_on_the_page(as_editor: Client, library: Library, place: Path) -> None:
    (place / "full").mkdir()
    (place / "full/x").write_text("kept")
    (place / "a.txt").write_text("mine")
    url = f"/drive/{library.pk}/?sort=-date"
    page = as_editor.post(url, {"do": "delete", "name": ["a.txt", "full"]}, follow=True).content.decode()
    form = undo_form(page)
    assert form["do"] == ["undo"]
    assert len(form["id"]) == 2
    assert f'action="{url}"' in page
    (place / "a.txt").write_text("another")
    answer = as_editor.post(url, form, follow=True)
    assert answer.redirect_chain == [(url, 302)]
    assert "2 items were restored." in answer.content.decode()
    found = {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}
    assert found == {"a.txt": "another", "a (restored).txt": "mine", "full/x": "kept"}
    again = as_editor.post(url, form, follow=True).content.decode()
    assert again.count("no longer in the trash") == 2


def test_undo_is_held_to_the_library_and_the_right_to_write(
    as_editor: Client, viewer: User, stranger: User, owner: User, library: Library, place: Path, sign_in: SignIn
) -> None:
    (place / "a.txt").touch()
    url = f"/drive/{library.pk}/"
    form = undo_form(as_editor.post(url, {"do": "delete", "name": "a.txt"}, follow=True).content.decode())
    for client, status in [(sign_in(viewer), 403), (sign_in(stranger), 404), (Client(), 302)]:
        assert client.post(url, form).status_code == status
    other = services.create_library(stranger, "Theirs")
    sign_in(stranger).post(f"/drive/{other.pk}/", form)
    assert not list(place.iterdir())
    assert as_editor.post(url, {"do": "undo", "id": ["", "x", "9" * 30]}).status_code == 302


def test_it_asks_to_select_first(as_editor: Client, library: Library) -> None:
    page = as_editor.post(f"/drive/{library.pk}/", {"do": "delete"}, follow=True)
    assert "Select at least one item in the list first." in page.content.decode()
