"""The file behind a room: followed wherever it goes, saved through the Drive, its errors in words for people."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab
from drive.files import operations, together
from drive.libraries import services as drive_services
from drive.models import File, Library, Quota, Trashed
from drive.storage import files as files_module
from drive.storage import open_library
from drive.versions import history, records, scan, store, trash
from portal.models import User
from rooms.room.file import (
    FileChangedError,
    FileGoneError,
    NoSpaceError,
    NotWritableError,
    QuotaError,
    RoomFileError,
)
from rooms.server.library_file import LibraryFile

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def file(library: Library, place: Path) -> Iterator[LibraryFile]:
    with open_library(library) as files:
        row = together.known_file(library, "notes.txt", files)
    found = LibraryFile(row, most=1000)
    found.read()
    yield found
    found.close()


def write(file: LibraryFile, text: str, *authors: User) -> str:
    return file.write(text.encode(), if_match=file.etag(), authors={user.pk for user in authors})


def authors(library: Library, path: str = "notes.txt") -> list[str]:
    return [history.authors(version) for version in history.versions_of(library, path)]


def contents(library: Library, path: str = "notes.txt") -> list[str]:
    return [store.open_object(version.sha256).read().decode() for version in history.versions_of(library, path)]


def test_reading_changes_nothing_on_disk(file: LibraryFile, place: Path) -> None:
    before = (place / "notes.txt").stat()
    assert file.read().data == b"one\n"
    assert file.read().etag == file.etag()
    assert (place / "notes.txt").stat()[:9] == before[:9]


def test_it_saves_with_the_names_of_those_who_typed(
    file: LibraryFile, place: Path, owner: User, editor: User, library: Library
) -> None:
    tag = write(file, "two\n", owner, editor)
    assert (place / "notes.txt").read_text() == "two\n"
    assert tag == file.etag() == file.read().etag
    assert contents(library) == []
    file.keep_version(b"two\n", authors={owner.pk, editor.pk}, reason="end")
    assert authors(library) == ["Olga Owner and Emil Editor"]
    assert File.objects.get().is_captured


def test_what_was_there_before_is_a_version_first(file: LibraryFile, library: Library, owner: User) -> None:
    content = file.read()
    file.keep_version(content.data, authors=set(), reason="before")
    write(file, "two\n", owner)
    assert contents(library) == ["one\n"]


def test_it_finds_what_others_write_in_place_and_by_a_rename_over_it(file: LibraryFile, place: Path) -> None:
    tags = [file.etag()]
    with (place / "notes.txt").open("a") as out:
        out.write("more\n")
    tags.append(file.etag())
    assert file.read().data == b"one\nmore\n"
    (place / "new").write_text("other\n")
    (place / "new").rename(place / "notes.txt")
    tags.append(file.etag())
    assert file.read().data == b"other\n"
    assert len(set(tags)) == 3


def test_it_writes_over_nothing_that_it_has_not_read(file: LibraryFile, place: Path, owner: User) -> None:
    tag = file.read().etag
    (place / "new").write_text("other\n")
    (place / "new").rename(place / "notes.txt")
    with pytest.raises(FileChangedError):
        file.write(b"two\n", if_match=tag, authors={owner.pk})
    assert (place / "notes.txt").read_text() == "other\n"


def test_it_follows_a_rename_in_a_lab_with_its_versions(
    file: LibraryFile, place: Path, library: Library, owner: User
) -> None:
    write(file, "two\n", owner)
    file.keep_version(b"two\n", authors={owner.pk}, reason="typing")
    (place / "folder").mkdir()
    (place / "notes.txt").rename(place / "folder/renamed.txt")
    tag = file.etag()
    assert file.path() == "folder/renamed.txt"
    file.write(b"three\n", if_match=tag, authors={owner.pk})
    assert (place / "folder/renamed.txt").read_text() == "three\n"
    assert not (place / "notes.txt").exists()
    assert contents(library, "folder/renamed.txt") == ["two\n"]
    scan.scan(library)
    assert [row.path for row in File.objects.filter(trashed=None)] == ["folder/renamed.txt"]


def test_it_follows_a_rename_in_a_lab_that_a_scan_has_seen_first(
    file: LibraryFile, place: Path, library: Library, owner: User
) -> None:
    write(file, "two\n", owner)
    (place / "notes.txt").rename(place / "b.txt")
    scan.scan(library)
    file.etag()
    assert file.path() == "b.txt"


@pytest.mark.parametrize("moment", ["stat", "typed"])
def test_it_follows_a_rename_in_a_lab_in_the_moment_of_a_save(
    file: LibraryFile, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A script in a Lab waits for the file to be saved, and moves it before the save has returned."""

    before = {"stat": (files_module, "_placed"), "typed": (records, "typed")}[moment]
    original = getattr(*before)

    def moved_first(*given: Any, **named: Any) -> Any:
        with suppress(FileNotFoundError):
            (place / "notes.txt").rename(place / "moved.txt")
        return original(*given, **named)

    monkeypatch.setattr(*before, moved_first)
    write(file, "two\n", owner)
    monkeypatch.undo()
    assert file.etag()
    assert file.path() == "moved.txt"
    write(file, "three\n", owner)
    assert [path.name for path in place.iterdir() if path.is_file()] == ["moved.txt"]
    assert (place / "moved.txt").read_text() == "three\n"


def test_it_follows_a_rename_to_a_name_that_is_not_utf_8(file: LibraryFile, place: Path, owner: User) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (place / "notes.txt").rename(place / name)
    write(file, "two\n", owner)
    assert (place / name).read_text() == "two\n"


def test_it_follows_where_the_drive_stands_behind_a_link(
    file: LibraryFile, place: Path, tmp_path: Path, settings: Settings, owner: User
) -> None:
    (tmp_path / "link").symlink_to(settings.DRIVE_ROOT)
    settings.DRIVE_ROOT = tmp_path / "link"
    (place / "notes.txt").rename(place / "b.txt")
    write(file, "two\n", owner)
    assert (place / "b.txt").read_text() == "two\n"


def test_a_lab_cannot_make_it_write_outside_the_library(
    file: LibraryFile, place: Path, tmp_path: Path, owner: User
) -> None:
    outside = tmp_path / "outside.txt"
    (place / "notes.txt").rename(outside)
    with pytest.raises(FileGoneError):
        write(file, "two\n", owner)
    (place / "notes.txt").symlink_to(outside)
    with pytest.raises(NotWritableError):
        file.etag()
    with pytest.raises(NotWritableError):
        file.write(b"two\n", if_match='"1-1-1"', authors={owner.pk})
    assert outside.read_text() == "one\n"


def test_an_editor_that_renames_the_old_file_away_has_changed_it(file: LibraryFile, place: Path) -> None:
    """As Vim does, and Emacs."""
    (place / "notes.txt").rename(place / "notes.txt~")
    (place / "notes.txt").write_text("typed in Vim\n")
    assert file.read().data == b"typed in Vim\n"
    assert file.path() == "notes.txt"


def test_it_follows_a_rename_on_the_web_although_another_file_has_its_path_now(
    file: LibraryFile, place: Path, library: Library, owner: User
) -> None:
    write(file, "two\n", owner)
    operations.rename(owner, library, "notes.txt", "renamed.txt")
    operations.write(owner, library, "notes.txt", b"a new file\n")
    write(file, "three\n", owner)
    assert file.path() == "renamed.txt"
    assert (place / "renamed.txt").read_text() == "three\n"
    assert (place / "notes.txt").read_text() == "a new file\n"


def test_it_follows_to_another_library(file: LibraryFile, library: Library, owner: User) -> None:
    other = drive_services.create_library(owner, "Elsewhere")
    operations.move(owner, library, "notes.txt", other, "there.txt")
    write(file, "two\n", owner)
    assert (file.library, file.path()) == (other, "there.txt")
    with open_library(other) as files, files.open("there.txt") as source:
        assert source.read() == b"two\n"


def test_it_says_who_deleted_it_and_is_back_when_it_is_restored(
    file: LibraryFile, place: Path, library: Library, owner: User, editor: User
) -> None:
    write(file, "two\n", owner)
    operations.delete(editor, library, "notes.txt")
    operations.write(editor, library, "notes.txt", b"another file\n")
    for attempt in (file.etag, file.read, lambda: file.write(b"x", if_match="*", authors=set())):
        with pytest.raises(FileGoneError) as error:
            attempt()
        assert error.value.by == "Emil Editor"
    file.keep_version(b"typed after that\n", authors={owner.pk}, reason="end")
    trash.restore(owner, Trashed.objects.get())
    assert file.read().data == b"two\n"
    write(file, "three\n", owner)
    assert file.path() != "notes.txt"
    assert (place / file.path()).read_text() == "three\n"
    assert contents(library, file.path()) == ["typed after that\n"]
    assert (place / "notes.txt").read_text() == "another file\n"


def test_it_is_gone_when_a_lab_deletes_it(file: LibraryFile, place: Path, library: Library, owner: User) -> None:
    write(file, "two\n", owner)
    (place / "notes.txt").unlink()
    with pytest.raises(FileGoneError):
        file.etag()
    scan.scan(library)
    with pytest.raises(FileGoneError):
        write(file, "three\n", owner)
    assert list(place.iterdir()) == []


def test_nothing_is_saved_in_an_archived_collab(file: LibraryFile, place: Path, collab: Collab, owner: User) -> None:
    tag = file.etag()
    collab_services.archive_collab(owner, collab)
    with pytest.raises(NotWritableError, match="archived"):
        file.write(b"two\n", if_match=tag, authors={owner.pk})
    assert (place / "notes.txt").read_text() == "one\n"


def test_nothing_is_saved_in_a_deleted_collab(file: LibraryFile, collab: Collab, owner: User) -> None:
    tag = file.etag()
    collab_services.delete_collab(owner, collab)
    with pytest.raises(FileGoneError, match="library"):
        file.write(b"two\n", if_match=tag, authors={owner.pk})


def test_it_says_that_the_quota_is_used_up(file: LibraryFile, place: Path, library: Library, owner: User) -> None:
    Quota.objects.create(collab=library.owner_collab, max_bytes=10)
    with pytest.raises(QuotaError, match="Cortex"):
        write(file, "x" * 100, owner)
    assert (place / "notes.txt").read_text() == "one\n"


def test_it_says_that_the_disk_is_full(
    file: LibraryFile, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tag = file.etag()
    monkeypatch.setattr("drive.storage.disk_space.copy", full)
    with pytest.raises(NoSpaceError):
        file.write(b"two\n", if_match=tag, authors={owner.pk})
    assert (place / "notes.txt").read_text() == "one\n"


def test_it_says_that_the_disk_is_broken(file: LibraryFile, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    tag = file.etag()
    monkeypatch.setattr("drive.storage.disk_space.copy", broken)
    with pytest.raises(RoomFileError, match="does not work"):
        file.write(b"two\n", if_match=tag, authors={owner.pk})


def test_a_save_counts_although_the_database_fails_after_it(
    file: LibraryFile, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the room would take its own text for somebody else's, and have it twice."""

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("drive.versions.records.typed", fail)
    tag = write(file, "two\n", owner)
    assert (place / "notes.txt").read_text() == "two\n"
    assert file.etag() == tag


def test_nothing_is_written_when_the_database_fails_before(
    file: LibraryFile, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    tag = file.etag()
    monkeypatch.setattr("drive.libraries.quota.check", fail)
    with pytest.raises(RoomFileError):
        file.write(b"two\n", if_match=tag, authors={owner.pk})
    assert (place / "notes.txt").read_text() == "one\n"


def test_it_reads_no_more_than_it_may(file: LibraryFile, place: Path) -> None:
    (place / "notes.txt").write_bytes(bytes(1001))
    with pytest.raises(RoomFileError, match="too large"):
        file.read()


def test_a_pipe_in_its_place_is_never_opened(file: LibraryFile, place: Path) -> None:
    (place / "notes.txt").unlink()
    os.mkfifo(place / "notes.txt")
    with pytest.raises(NotWritableError):
        file.read()


def test_it_keeps_one_descriptor(file: LibraryFile, owner: User) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        write(file, f"{number}\n", owner)
        file.read()
    assert len(os.listdir("/proc/self/fd")) <= before
    file.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
