"""The page of a file: what is shown of it, and that no file, however odd or large, takes the page away."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from drive.models import Library
from drive.preview import kinds
from portal.models import User
from portal.text import colouring
from portal.text.markdown import render

SignIn = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30


@pytest.fixture
def show(viewer: User, library: Library, sign_in: SignIn) -> Callable[[str], str]:
    """The page of a file, as somebody sees it who may only read."""
    client = sign_in(viewer)

    def page(path: str) -> str:
        return client.get(f"/drive/{library.pk}/{path}").content.decode()

    return page


@pytest.mark.slow
def test_it_shows_what_kinds_of_files_hold(show: Callable[[str], str], place: Path) -> None:
    contents = {
        "a.md": (b"# Title\n**bold**", "<strong>bold</strong>"),
        "a.py": (b"def f():\n    return '<b>'", 'class="code-k">def</span>'),
        "page.html": (b"<script>alert(1)</script>", "&lt;"),
        "notes.txt": (b"plain & simple", "plain &amp; simple"),
        "README": ("naïve".encode(), "naïve"),
        "latin.txt": ("naïve".encode("latin-1"), "Shown as Latin-1"),
        "wide.txt": ("naïve".encode("utf-16"), "Shown as UTF-16"),
        "a.csv": (b"name;value\nx;1\n", '<th scope="col">value</th>'),
        "a.tsv": (b"1\t2\n3\t4\n", "<td>3</td><td>4</td>"),
        "a.png": (PNG, '?show=raw" alt="a.png"'),
        "a.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", '?show=raw" alt="a.svg"'),
        "fake.png": (b"<script>alert(1)</script>", "&lt;script&gt;"),
        "data.h5": (b"\x89HDF\r\n\x1a\n\0\0", "This file is being "),
        "text.mat": (b"1 2\n3 4\n", "1 2"),
        "data.hdf5x": (b"\x89HDF\r\n\x1a\n\0\0", "data in HDF5"),
        "a.wav": (b"RIFF\0\0\0\0WAVEfmt ", '<audio controls preload="metadata" src='),
        "a.mp4": (b"\0\0\0\x18ftypmp42", '<video controls preload="metadata" src='),
        "fake.mp4": (b"<script>alert(1)</script>", "&lt;script&gt;"),
        "a.fasta": (b">seq1\nACGT\n", "&gt;seq1"),
        "unknown": (b"\0\1\2\3", "No preview for this type of file"),
        "empty.txt": (b"", "This file is empty."),
    }
    for name, (content, expected) in contents.items():
        (place / name).write_bytes(content)
        page = show(name)
        assert expected in page, name
        assert "<script>alert" not in page
        assert "?show=edit" not in page
        assert f"{name}?show=raw" in page


def test_it_says_what_it_never_opens(show: Callable[[str], str], place: Path) -> None:
    (place / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(place / "pipe")
    directory = os.open(place, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{directory}/socket")  # a socket's address is short
    os.close(directory)
    assert "This is a symbolic link. Symbolic links are not followed." in show("link.txt")
    assert "root:" not in show("link.txt")
    assert "This is a pipe" in show("pipe")
    assert "This is a socket" in show("socket")


def test_it_stays_up_whatever_the_size(show: Callable[[str], str], place: Path) -> None:
    with (place / "sparse.txt").open("wb") as file:
        file.truncate(50 * 2**30)
    for name in ("sparse.png", "sparse.csv", "sparse.md", "sparse.py"):
        os.link(place / "sparse.txt", place / name)
    assert "50.0\xa0GB" in show("sparse.txt")
    for name in ("sparse.png", "sparse.csv", "sparse.md", "sparse.py"):
        assert "No preview for this type of file" in show(name)
    (place / "picture.png").write_bytes(PNG)
    os.truncate(place / "picture.png", 50 * 2**30)
    assert "too large to show" in show("picture.png")


@pytest.mark.parametrize("name", ["line.txt", "line.py", "line.csv", "line.md", "line.json"])
def test_it_cuts_a_line_without_end(show: Callable[[str], str], place: Path, name: str) -> None:
    (place / name).write_bytes(b"x" * (kinds.SHOWN - 1) + "é".encode() + b"x" * 3 * kinds.SHOWN)
    page = show(name)
    assert "Only the first" in page
    assert len(page) < 2 * kinds.SHOWN
    assert "Latin-1" not in page  # a letter of two bytes is cut in half, which is no reason to guess


def test_it_shows_a_thousand_rows_of_a_table(show: Callable[[str], str], place: Path) -> None:
    (place / "a.csv").write_text("number,square\n" + "".join(f"{n},{n * n}\n" for n in range(3000)))
    page = show("a.csv")
    assert "<td>999</td>" in page
    assert "<td>1000</td>" not in page
    assert "The first 1,000 of 3,000 rows are shown." in page
    assert "js/data_table.js" in page


def test_it_shows_no_table_of_what_is_none(show: Callable[[str], str], place: Path) -> None:
    (place / "a.csv").write_text('"' + "x" * 200_000)
    assert "<table" not in show("a.csv")


def test_it_colours_nothing_that_keeps_it_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "code-k" in (colouring.coloured("python", "def f(): pass\n") or "")
    monkeypatch.setattr(colouring, "SECONDS", 0.001)
    assert colouring.coloured("python", "def f(): pass\n") is None
    assert colouring.coloured("python", "x" * 10_000) is None


def test_it_escapes_what_it_colours() -> None:
    html = colouring.coloured("html", "<script>alert(1)</script>&<img onerror=x>") or ""
    assert "<script" not in html
    assert "<img" not in html


def test_it_asks_the_same_few_questions_for_every_file(
    viewer: User, library: Library, place: Path, sign_in: SignIn
) -> None:
    client = sign_in(viewer)
    counts = set()
    for name, content in {"a.md": "x", "b.csv": "a,b\n" * 500, "c.py": "x = 1\n" * 100}.items():
        (place / name).write_text(content)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(f"/drive/{library.pk}/{name}").status_code == 200
        counts.add(len(queries))
    assert len(counts) == 1
    assert counts.pop() <= 12


def test_it_offers_what_the_person_may_do(
    owner: User, viewer: User, library: Library, place: Path, sign_in: SignIn
) -> None:
    (place / "sub").mkdir()
    (place / "sub/a.txt").write_text("x")
    address = f"/drive/{library.pk}/sub/a.txt"
    mine, theirs = (sign_in(user).get(address).content.decode() for user in (owner, viewer))
    for page in (mine, theirs):
        assert f'href="{address}?show=raw"' in page
        assert f'href="{address}?show=versions"' in page
        assert f'href="/drive/{library.pk}/sub/"' in page
        assert "/lab/open?path=Shared+with+groups%2FCortex%2Fsub%2Fa.txt" in page
    assert f'href="{address}?show=edit"' in mine
    assert f'href="{address}?show=edit"' not in theirs


def test_it_leads_from_a_text_to_pages_and_shows_its_pictures() -> None:
    html = render("![p](fig/a.png) [q](../b.md#c) [r](../../x) <img src='../c.png?raw=true'>", base="/d/", folder="sub")
    assert 'src="/d/sub/fig/a.png?show=raw"' in html
    assert 'href="/d/b.md#text-c"' in html
    assert 'src="/d/c.png?show=raw"' in html
    assert "/x" not in html
