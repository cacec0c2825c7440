"""Archives: that other programs take them, what is in them, what is not, and what a change meanwhile does."""

import io
import os
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from drive.browser import registry, views_zip
from drive.files import library_access, zip_stream
from drive.files.paths import name_in_form
from drive.files.public_link_access import public_link_access
from drive.libraries import public_links
from drive.models import Library, PublicLink
from drive.storage import LibraryFiles
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def as_viewer(viewer: User, sign_in: SignIn) -> Client:
    return sign_in(viewer)


def packed(files: LibraryFiles, *wanted: str) -> zipfile.ZipFile:
    data = b"".join(zip_stream.pack(files, [(path, path.rpartition("/")[2] or "top") for path in wanted]))
    return zipfile.ZipFile(io.BytesIO(data))


def contents(found: zipfile.ZipFile) -> dict[str, bytes]:
    assert found.testzip() is None
    return {name: found.read(name) for name in found.namelist()}


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def end(answer: Any) -> None:
    """What a server does when the receiver has gone away; `close` would end the test's database connection too."""
    for close in answer._resource_closers:
        close()


@pytest.fixture
def tree(place: Path) -> Path:
    (place / "top/sub").mkdir(parents=True)
    (place / "top/empty").mkdir()
    (place / "top/a.txt").write_text("A")
    (place / "top/sub/naïve ☃.txt").write_text("B" * 1000)
    (place / "top/large").write_bytes(os.urandom(zip_stream.WHOLE + 17))
    (place / "top/.hidden").touch()
    return place / "top"


def test_it_packs_a_folder(files: LibraryFiles, tree: Path) -> None:
    os.utime(tree / "a.txt", (1_700_000_000, 1_700_000_000))
    (tree / "a.txt").chmod(0o755)
    found = packed(files, "top")
    assert contents(found) == {
        "top/": b"",
        "top/sub/": b"",
        "top/empty/": b"",
        "top/a.txt": b"A",
        "top/.hidden": b"",
        "top/sub/naïve ☃.txt": b"B" * 1000,
        "top/large": (tree / "large").read_bytes(),
    }
    assert found.getinfo("top/a.txt").external_attr >> 16 == 0o100755
    assert found.getinfo("top/a.txt").date_time[0] == 2023


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip")
def test_it_packs_what_unzip_unpacks(files: LibraryFiles, tree: Path, tmp_path: Path) -> None:
    os.utime(tree / "a.txt", (1_700_000_001, 1_700_000_001))
    (tmp_path / "x.zip").write_bytes(b"".join(zip_stream.pack(files, [("top", "top")])))
    subprocess.run(["unzip", "-q", tmp_path / "x.zip", "-d", tmp_path / "out"], check=True)
    subprocess.run(["diff", "-r", tree, tmp_path / "out/top"], check=True)
    assert (tmp_path / "out/top/a.txt").stat().st_mtime == 1_700_000_001


def test_it_writes_zip64_for_what_needs_it(
    files: LibraryFiles, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are lowered: sizes, positions and the number of files all pass them."""
    monkeypatch.setattr(zip_stream, "_MOST", 2 * zip_stream.WHOLE)
    monkeypatch.setattr(zip_stream, "_MOST_FILES", 3)
    (tree / "huge").write_bytes(b"h" * (2 * zip_stream.WHOLE + 5))
    (tree / "also huge").write_bytes(b"i" * (2 * zip_stream.WHOLE + 6))
    data = b"".join(zip_stream.pack(files, [("top", "top")]))
    assert b"PK\x06\x06" in data
    assert b"PK\x06\x07" in data
    monkeypatch.undo()
    _check_zip64_by_hand(data)


def _check_zip64_by_hand(data: bytes) -> None:
    """Where the 64-bit end says the list begins, it begins; its count is the number of entries."""
    end = data.rindex(b"PK\x06\x06")
    entries, size, start = (int.from_bytes(data[end + at : end + at + 8], "little") for at in (32, 40, 48))
    assert data[start : start + 4] == b"PK\x01\x02"
    assert start + size == end
    assert entries == data[start:end].count(b"PK\x01\x02") == 9


def test_it_says_zip64_in_the_header_of_a_huge_file(files: LibraryFiles, place: Path) -> None:
    with (place / "sparse").open("wb") as sparse:
        sparse.truncate(50 << 30)
    head = next(zip_stream.pack(files, [("sparse", "sparse")]))
    assert head[4:6] == b"\x2d\0"
    assert head[18:26] == b"\xff" * 8


def test_it_lists_what_it_leaves_out(files: LibraryFiles, tree: Path) -> None:
    (tree / "link").symlink_to("/etc/passwd")
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "pipe")
    found = contents(packed(files, "top", "gone"))
    note = found["Left out.txt"].decode()
    for words in (
        "'top/link': a link",
        "'top/loop': a link",
        "'top/pipe': a special file",
        "'gone': Nothing was found",
    ):
        assert words in note
    assert not [name for name in found if name in ("top/link", "top/loop", "top/pipe")]
    assert b"root:" not in b"".join(found.values())


def test_it_gives_the_note_a_name_that_is_free(files: LibraryFiles, place: Path) -> None:
    (place / "Left out.txt").write_text("mine")
    found = contents(packed(files, "Left out.txt", "gone"))
    assert found["Left out.txt"] == b"mine"
    assert b"gone" in found["Left out (2).txt"]


def test_it_packs_names_that_are_not_utf8_or_dangerous(files: LibraryFiles, place: Path) -> None:
    Path(os.fsdecode(os.fsencode(place) + b"/\xff.txt")).write_text("odd")
    (place / "..\\..\\evil.txt").write_text("evil")
    (place / "line\nbreak").write_text("two")
    found = contents(packed(files, ""))
    assert found["top/.._.._evil.txt"] == b"evil"
    assert found["top/line\nbreak"] == b"two"
    assert b"odd" in found.values()


@pytest.mark.parametrize("change", ["grow", "shrink", "vanish"])
def test_it_is_whole_whatever_happens_to_a_file_meanwhile(
    files: LibraryFiles, place: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    size = 3 * zip_stream.WHOLE
    large = place / "large"
    large.write_bytes(b"x" * size)
    read, reads = zip_stream._read, []

    def read_and_change(content: Any, wanted: int) -> bytes:
        reads.append(wanted)
        if len(reads) == 5:
            if change == "grow":
                with large.open("ab") as more:
                    more.write(b"y" * size)
            elif change == "shrink":
                os.truncate(large, zip_stream.WHOLE)
            else:
                large.unlink()
        return read(content, wanted)

    monkeypatch.setattr(zip_stream, "_read", read_and_change)
    found = contents(packed(files, "large"))
    assert found["large"] == b"x" * (zip_stream.WHOLE if change == "shrink" else size)
    assert (b"cut short" in found.get("Left out.txt", b"")) == (change == "shrink")


@pytest.mark.parametrize("year", [1960, 1980, 2107, 2200, 9000])
def test_it_packs_files_of_any_age(files: LibraryFiles, place: Path, year: int) -> None:
    (place / "old").touch()
    seconds = (year - 1970) * 31_557_600
    os.utime(place / "old", (seconds, seconds))
    assert contents(packed(files, "old")) == {"old": b""}


def test_it_needs_little_memory(files: LibraryFiles, place: Path) -> None:
    with (place / "sparse").open("wb") as sparse:
        sparse.truncate(200 << 20)
    tracemalloc.start()
    total = sum(len(block) for block in zip_stream.pack(files, [("sparse", "sparse")]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 200 << 20
    assert peak < 8 << 20


# The pages


def test_it_sends_a_folder_and_a_selection(as_viewer: Client, library: Library, tree: Path, place: Path) -> None:
    (place / "c.txt").write_text("C")
    url = f"/drive/{library.pk}/"
    answer = as_viewer.get(f"{url}top/?show=zip")
    assert answer["Content-Disposition"].startswith('attachment; filename="top.zip"')
    assert answer["X-Accel-Buffering"] == "no"
    assert "top/a.txt" in zipfile.ZipFile(io.BytesIO(body(answer))).namelist()
    names = [name_in_form(name) for name in ("top", "c.txt")]
    for answer in (
        as_viewer.post(url, {"do": "zip", "name": names}),
        as_viewer.get(url, {"show": "zip", "name": names}),
    ):
        found = zipfile.ZipFile(io.BytesIO(body(answer)))
        assert {"c.txt", "top/a.txt"} <= set(found.namelist())
        assert answer["Content-Disposition"].startswith('attachment; filename="Cortex.zip"')
    whole = zipfile.ZipFile(io.BytesIO(body(as_viewer.get(f"{url}?show=zip"))))
    assert {"Cortex/c.txt", "Cortex/top/a.txt"} <= set(whole.namelist())
    assert as_viewer.head(f"{url}?show=zip")["Content-Type"] == "application/zip"
    assert as_viewer.get(f"{url}?show=zip&name=..").status_code == 400


def test_it_sends_nothing_to_strangers(stranger: User, library: Library, tree: Path, sign_in: SignIn) -> None:
    url = f"/drive/{library.pk}/"
    assert sign_in(stranger).get(f"{url}?show=zip").status_code == 404
    assert sign_in(stranger).post(url, {"do": "zip", "name": "top"}).status_code == 404
    assert Client().get(f"{url}?show=zip").status_code == 302
    assert Client().post(url, {"do": "zip", "name": "top"}).status_code == 302


def test_it_sends_visitors_with_a_link_what_is_below_it_only(
    library: Library, tree: Path, place: Path, rf: RequestFactory
) -> None:
    (place / "secret.txt").write_text("SECRET")
    access = library_access.LibraryAccess(library, "/l/x/", "top", may_write=False, reason="A link.", root="top")
    found = zipfile.ZipFile(io.BytesIO(body(registry.serve(rf.get("/l/x/", {"show": "zip"}), access, ""))))
    assert set(contents(found)) >= {"top/a.txt", "top/empty/"}
    request = rf.get("/l/x/", {"show": "zip", "name": ["sub", name_in_form("../secret.txt")]})
    request.user = AnonymousUser()
    assert registry.serve(request, access, "").status_code == 400
    assert not [name for name in found.namelist() if "secret" in name]


def test_it_sends_nothing_beside_the_file_of_a_link(library: Library, tree: Path, rf: RequestFactory) -> None:
    link = PublicLink(library=library, path="top/a.txt", is_folder=False)
    access = public_link_access(link, "/l/x/")
    with access.files() as files:
        found = contents(packed(files, "a.txt", "", "large", "sub"))
    assert set(found) == {"a.txt", "Left out.txt"}


def test_it_offers_visitors_with_a_link_a_download(library: Library, owner: User, tree: Path) -> None:
    page = Client().get(f"/l/{public_links.token(public_links.make_link(owner, library, 'top'))}/").content.decode()
    form = page.partition('id="selection"')[2].partition("</form>")[0]
    assert 'name="show" value="zip"' in form
    assert "csrf" not in form
    assert "copy" not in form


def test_it_sends_a_few_archives_at_once_and_takes_the_places_back(
    as_viewer: Client, library: Library, tree: Path
) -> None:
    url = f"/drive/{library.pk}/?show=zip"
    answers: list[Any] = [as_viewer.get(url) for _ in range(views_zip.AT_ONCE)]
    busy = as_viewer.get(url)
    assert busy.status_code == 503
    assert "try again in a minute" in busy.content.decode()
    next(iter(answers[0].streaming_content))
    for answer in answers:
        end(answer)
    assert body(as_viewer.get(url))
    assert body(as_viewer.get(url))
