"""Finding by name: in a folder, in all libraries, and where it stops."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collabs.models import Collab
from drive.files import search
from drive.files.search import Search
from drive.libraries import services
from drive.models import Library, Permission
from drive.storage import LibraryFiles, layout
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def as_viewer(viewer: User, sign_in: SignIn) -> Client:
    return sign_in(viewer)


def found(files: LibraryFiles, text: str, folder: str = "") -> list[str]:
    looked = Search(text)
    looked.look(files, folder)
    return sorted(hit.path for hit in looked.hits)


def test_it_finds_all_words_without_regard_to_case_or_form(files: LibraryFiles, place: Path) -> None:
    (place / "Data/2024").mkdir(parents=True)
    for name in ("Data/Mouse run 1.csv", "Data/2024/mouse RUN 2.csv", "Data/2024/rat.csv", "data.txt"):
        (place / name).touch()
    (place / unicodedata.normalize("NFD", "Straße résumé.md")).touch()
    assert found(files, "run MOUSE") == ["Data/2024/mouse RUN 2.csv", "Data/Mouse run 1.csv"]
    assert found(files, "data") == ["Data", "data.txt"]
    assert found(files, "mouse", "Data/2024") == ["Data/2024/mouse RUN 2.csv"]
    assert len(found(files, "STRASSE r\u00e9sum\u00e9")) == 1
    assert found(files, "  ") == found(files, "nothing like it") == []


def test_it_follows_no_link_and_hides_what_is_hidden(files: LibraryFiles, place: Path, outside: Path) -> None:
    (place / "loop").symlink_to(place)
    (place / "away").symlink_to(outside)
    (place / ".git").mkdir()
    (place / ".git/secret.txt").touch()
    os.mkfifo(place / "secret pipe")
    assert found(files, "secret") == ["secret pipe"]
    assert found(files, "loop") == ["loop"]


def test_it_leads_as_near_as_it_can_to_what_has_no_address(as_viewer: Client, library: Library, place: Path) -> None:
    odd = place / "data" / os.fsdecode(b"odd \xff") / "deeper"
    odd.mkdir(parents=True)
    (odd / "needle.csv").touch()
    for url in (f"/drive/{library.pk}/?show=find&q=needle", "/drive/find/?q=needle"):
        page = as_viewer.get(url).content.decode()
        assert "needle.csv" in page
        assert f'href="/drive/{library.pk}/data/"' in page


@pytest.mark.parametrize(("limit", "value"), [("NAMES", 50), ("RESULTS", 10), ("SECONDS", -1.0)])
def test_it_stops_and_says_so(
    as_viewer: Client, library: Library, place: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    for number in range(100):
        (place / f"file {number}").touch()
    monkeypatch.setattr(search, limit, value)
    for url in (f"/drive/{library.pk}/?show=find&q=file", "/drive/find/?q=file"):
        page = as_viewer.get(url).content.decode()
        assert "The search stopped early" in page
        assert page.count('class="file"') <= 50
    monkeypatch.undo()
    assert "stopped early" not in as_viewer.get(f"/drive/{library.pk}/?show=find&q=file").content.decode()


def test_it_stays_up_for_what_a_notebook_made(as_viewer: Client, library: Library, place: Path) -> None:
    (place / "/".join(["find"] * 300)).mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(place) + b"/find \xff")).touch()
    (place / "find\nbreak").touch()
    (place / "find <b>").touch()
    page = as_viewer.get(f"/drive/{library.pk}/?show=find&q=find").content.decode()
    assert "find �" in page
    assert "find &lt;b&gt;" in page
    assert as_viewer.get("/drive/find/", {"q": "\0 find " + "x" * 9000}).status_code == 200


def test_it_looks_in_a_folder_and_leads_there(as_viewer: Client, library: Library, collab: Collab, place: Path) -> None:
    (place / "a b").mkdir()
    (place / "a b/x #1.txt").touch()
    (place / "x").touch()
    for base in (f"/drive/{library.pk}/", f"/collabs/{collab.slug}/files/"):
        page = as_viewer.get(f"{base}a b/?show=find&q=x").content.decode()
        assert f'href="{base}a%20b/x%20%231.txt"' in page
        assert f'href="{base}a%20b/"' in page
        assert f'href="{base}x"' not in page
        assert "1 found; 1 name searched." in page


def test_it_looks_in_all_libraries_that_one_sees_and_no_other(
    as_viewer: Client, viewer: User, owner: User, stranger: User, library: Library, public_collab: Collab, place: Path
) -> None:
    mine = services.create_library(viewer, "Needles")
    shared, secret = services.create_library(stranger, "Shared"), services.create_library(owner, "Secret needle")
    services.share_with_person(stranger, shared, viewer, Permission.READ)
    seen = {"mine": mine, "shared": shared, "team": library, "public": public_collab.library}
    for name, one in {**seen, "secret": secret}.items():
        (layout.find(one.pk) / f"needle {name}").touch()
    page = as_viewer.get("/drive/find/?q=needle").content.decode()
    for name in seen:
        assert f"needle {name}" in page
    assert "needle secret" not in page
    assert "Secret needle" not in page
    assert f'<a href="/drive/{mine.pk}/">Needles</a>' in page
    assert Client().get("/drive/find/?q=needle")["Location"].startswith("/account/login/")


def test_it_gives_every_library_its_part(
    as_viewer: Client, viewer: User, library: Library, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = services.create_library(viewer, "AAA first")
    for number in range(200):
        (layout.find(mine.pk) / f"hay {number}").touch()
    (place / "needle").touch()
    monkeypatch.setattr(search, "NAMES", 100)
    page = as_viewer.get("/drive/find/?q=needle").content.decode()
    assert f'href="/drive/{library.pk}/needle"' in page
    assert "stopped early" in page


def test_it_takes_as_many_queries_for_many_libraries(as_viewer: Client, viewer: User, library: Library) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            as_viewer.get("/drive/find/?q=a")
        return len(captured)

    queries()
    before = queries()
    for number in range(5):
        services.create_library(viewer, f"a {number}")
    assert queries() == before


def test_it_finds_nothing_for_strangers(stranger: User, library: Library, place: Path, sign_in: SignIn) -> None:
    (place / "needle").touch()
    assert sign_in(stranger).get(f"/drive/{library.pk}/?show=find&q=needle").status_code == 404
    assert "/needle" not in sign_in(stranger).get("/drive/find/?q=needle").content.decode()
