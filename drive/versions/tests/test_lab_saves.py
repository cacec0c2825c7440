"""What Labs tell of saves becomes versions, and makes nobody the author of another's words."""

import hashlib
import os
from pathlib import Path

import pytest
from pytest_django import Settings

from drive.files import operations
from drive.models import File, Library, Version, Via
from drive.storage import DiskFullError
from drive.versions import capture, lab_saves, scan, store
from drive.versions.capture import TornReadError
from drive.versions.lab_saves import keep_current, keep_saved
from portal.models import User


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests write and capture within one tick of the file system's clock."""
    monkeypatch.setattr(capture, "PAUSE", 0.0)


def sha256(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def write(place: Path, words: str) -> str:
    """As Jupyter writes, into the same file; returns its SHA-256."""
    (place / "a.txt").write_text(words)
    return sha256(words)


def versions() -> list[tuple[str, User | None]]:
    """Oldest first."""
    rows = Version.objects.order_by("pk").select_related("by")
    return [(store.path_of(row.sha256).read_text(), row.by) for row in rows]


def test_each_save_is_a_version_of_whoever_saved(library: Library, place: Path, owner: User, editor: User) -> None:
    for number, person in enumerate((editor, owner, editor)):
        keep_current(library, "a.txt", None)
        keep_saved(person, library, "a.txt", write(place, f"words {number}"))
    assert versions() == [("words 0", editor), ("words 1", owner), ("words 2", editor)]
    row = File.objects.get()
    assert (row.changed_by, row.via, row.is_captured) == (editor, Via.LAB, True)
    assert scan.scan(library, owner)
    assert len(versions()) == 3


def test_a_save_that_is_overwritten_before_it_is_told_is_still_whose_it_is(
    library: Library, place: Path, owner: User, editor: User
) -> None:
    first = write(place, "of the editor")
    keep_current(library, "a.txt", None)  # the owner begins to save
    second = write(place, "of the owner")
    keep_saved(editor, library, "a.txt", first)
    assert versions() == [("of the editor", editor), ("of the owner", None)]
    keep_saved(owner, library, "a.txt", second)
    assert versions() == [("of the editor", editor), ("of the owner", owner)]
    assert File.objects.get().changed_by == owner


def test_a_scan_that_is_faster_does_not_take_the_name_away(library: Library, place: Path, editor: User) -> None:
    saved = write(place, "of the editor")
    scan.scan(library, None)
    assert versions() == [("of the editor", None)]
    keep_saved(editor, library, "a.txt", saved)
    assert versions() == [("of the editor", editor)]
    assert File.objects.get().changed_by == editor


def test_what_another_program_wrote_is_not_the_work_of_whoever_saved(
    library: Library, place: Path, editor: User
) -> None:
    saved = write(place, "honest words")
    write(place, "hostile words")
    keep_saved(editor, library, "a.txt", saved)
    assert versions() == [("hostile words", None)]
    keep_saved(editor, library, "a.txt", "")
    assert versions() == [("hostile words", None)]


def test_nobody_claims_what_is_another_persons(library: Library, place: Path, owner: User, editor: User) -> None:
    saved = write(place, "of the editor")
    keep_saved(editor, library, "a.txt", saved)
    keep_saved(owner, library, "a.txt", saved)
    assert versions() == [("of the editor", editor)]
    operations.write(owner, library, "b.txt", b"on the web")
    keep_saved(editor, library, "b.txt", sha256("on the web"))
    assert ("on the web", owner) in versions()


def test_a_file_whose_time_was_set_back_is_nobodys(library: Library, place: Path, editor: User) -> None:
    """A scan takes it for renamed; the bytes say otherwise."""
    keep_saved(editor, library, "a.txt", write(place, "honest words."))
    before = (place / "a.txt").stat()
    write(place, "hostile words")
    os.utime(place / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    scan.scan(library, None)
    assert versions() == [("honest words.", editor), ("hostile words", None)]
    assert File.objects.get().changed_by is None


def test_what_was_found_before_a_save_is_of_the_one_who_can_have_written_it(
    library: Library, place: Path, owner: User
) -> None:
    write(place, "by a kernel")
    keep_current(library, "a.txt", owner)
    write(place, "by another")
    keep_current(library, "a.txt", None)
    assert versions() == [("by a kernel", owner), ("by another", None)]


def test_it_copies_nothing_twice(library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_saved(owner, library, "a.txt", write(place, "words")) == 5
    monkeypatch.setattr(store, "add", lambda *_a, **_k: pytest.fail("copied"))
    assert keep_current(library, "a.txt", None) == 0
    assert keep_saved(owner, library, "a.txt", sha256("words")) == 0


def test_it_leaves_what_is_no_file_alone(library: Library, place: Path, owner: User) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("/etc/passwd")
    os.mkfifo(place / "pipe")
    for path in ("folder", "link", "pipe", "missing", "folder/missing"):
        assert keep_current(library, path, None) == 0
        assert keep_saved(owner, library, path, sha256("x")) == 0
    assert not File.objects.exists()


def test_it_keeps_nobody_waiting_for_a_large_file(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_saves, "AT_ONCE", 10)
    saved = write(place, "more than ten bytes")
    with pytest.raises(lab_saves.TooLargeAtOnceError):
        keep_saved(owner, library, "a.txt", saved)
    assert not Version.objects.exists()
    scan.scan(library, None)
    assert versions() == [("more than ten bytes", None)]


def test_it_leaves_room_on_the_disk(library: Library, place: Path, owner: User, settings: Settings) -> None:
    saved = write(place, "words")
    settings.DISK_RESERVE_BYTES = 10**18
    with pytest.raises(DiskFullError):
        keep_saved(owner, library, "a.txt", saved)
    assert not Version.objects.exists()


def test_it_keeps_nothing_that_is_being_written(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, "words")
    added = store.add

    def add(*args: object, **options: object) -> tuple[str, int]:
        with (place / "a.txt").open("a") as file:
            file.write("more")
        return added(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "add", add)
    with pytest.raises(TornReadError):
        keep_current(library, "a.txt", None)
    assert not Version.objects.exists()
