"""Moments in which something could be lost: a scan beside a change on the web, a kill between disk and rows."""

import fcntl
import io
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drive import tasks
from drive.files import operations
from drive.models import File, Library, Loss, Trashed, Version
from drive.storage import files as storage_files
from drive.storage import layout, open_library, removal
from drive.versions import capture, history, records, scan, store, trash
from portal.models import User

from .support import contents

pytestmark = pytest.mark.django_db


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On a disk, where /var/tmp lies (hier(7)): a file in memory keeps its time when a mapped page is stored into."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Path(directory)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)


@pytest.fixture
def twins(library: Library, place: Path) -> Library:
    """Two folders that a notebook made, whose names differ in case alone, each with a file."""
    for name in ("data", "Data"):
        (place / name).mkdir()
        (place / name / "a.txt").write_text(name)
    scan.scan(library)
    return library


# Names that differ in case


def test_a_folder_renamed_by_case_keeps_its_history(library: Library, owner: User) -> None:
    operations.make_folder(owner, library, "data")
    for content in (b"one", b"two"):
        operations.write(owner, library, "data/a.txt", content)
    operations.rename(owner, library, "data", "Data")
    assert contents(library, "Data/a.txt") == [b"one", b"two"]
    assert not Trashed.objects.exists()


def test_deleting_one_twin_leaves_the_other(twins: Library, owner: User, place: Path) -> None:
    item = operations.delete(owner, twins, "data")
    assert File.objects.get(trashed=None).path == "Data/a.txt"
    trash.restore(owner, item)
    assert {row.path for row in File.objects.filter(trashed=None)} == {"data (restored)/a.txt", "Data/a.txt"}
    tasks.tidy()


def test_renaming_one_twin_leaves_the_other(twins: Library, owner: User) -> None:
    operations.rename(owner, twins, "data", "x")
    assert contents(twins, "x/a.txt") == [b"data"]
    assert contents(twins, "Data/a.txt") == [b"Data"]


# What a notebook wrote, and no scan has seen


def test_what_was_written_before_a_delete_is_captured_after_the_restore(
    library: Library, place: Path, owner: User
) -> None:
    operations.write(owner, library, "a.txt", b"one")
    scan.scan(library)
    (place / "a.txt").write_bytes(b"two, by a notebook")
    trash.restore(owner, operations.delete(owner, library, "a.txt"))
    scan.scan(library)
    operations.write(owner, library, "a.txt", b"three")
    assert contents(library, "a.txt") == [b"one", b"two, by a notebook", b"three"]


def test_what_is_written_in_the_moment_of_an_upload_is_captured(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.write(owner, library, "a.txt", b"one")
    real = storage_files._move_in

    def move_in(*arguments: Any) -> Any:
        replaced = real(*arguments)
        (place / "a.txt").write_bytes(b"by a notebook")
        return replaced

    with monkeypatch.context() as patched:
        patched.setattr(storage_files, "_move_in", move_in)
        operations.write(owner, library, "a.txt", b"two")
    scan.scan(library)
    operations.write(owner, library, "a.txt", b"three")
    assert contents(library, "a.txt") == [b"one", b"two", b"by a notebook", b"three"]


def test_what_is_stored_into_a_mapped_file_while_it_is_captured_is_captured_next(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `numpy.memmap` does; such a store moves the file's time only after its page was written to disk."""
    path = place / "m.npy"
    path.write_bytes(b"a" * 8192)
    real, calls = store.sync, []
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8192) as mapped:
        mapped[0] = ord("b")

        def sync() -> None:
            calls.append(1)
            if len(calls) % 2 == 0:  # after the copies were made
                mapped[1] = ord("c")
            real()

        with monkeypatch.context() as patched:
            patched.setattr(store, "sync", sync)
            scan.scan(library)
    scan.scan(library)
    operations.write(owner, library, "m.npy", b"new")
    assert b"bc" in [content[:2] for content in contents(library, "m.npy")]


def test_a_file_that_grows_is_not_copied_without_end(library: Library, place: Path) -> None:
    path = place / "log"
    path.write_bytes(b"x" * 10)

    class Growing(io.FileIO):
        def read(self, size: int = -1) -> bytes:  # type: ignore[override]
            with path.open("ab") as more:
                more.write(b"y" * 2**16)
            return super().read(size)

    with store.adding(), Growing(str(path)) as source:
        assert store.add(source, most=10)[1] == 11


# A scan beside a change on the web


def test_a_scan_that_looked_in_the_middle_of_a_rename_buries_nothing(
    library: Library, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.write(owner, library, "a.txt", b"x")
    found = looking_before(records, "move", library, monkeypatch)
    operations.rename(owner, library, "a.txt", "b.txt")
    found[0].finish()
    assert contents(library, "b.txt") == [b"x"]
    assert not Trashed.objects.exists()


def test_a_scan_that_looked_in_the_middle_of_a_delete_finds_nothing_more(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "d").mkdir()
    for number in range(25):
        (place / f"d/{number}").write_bytes(b"x")
    scan.scan(library)
    found = looking_before(trash, "_note", library, monkeypatch)
    operations.delete(owner, library, "d")
    found[0].finish()
    assert Trashed.objects.get().histories.count() == 25
    assert Loss.objects.count() == 1


def test_no_scan_comes_between_the_disk_and_the_rows(
    library: Library, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renames, deletes and restores hold the lock that the scan's notes of paths wait for."""
    operations.write(owner, library, "a.txt", b"x")
    real, held = records.within, []

    def within(library: Library, path: str) -> list[File]:
        held.append(is_held(library))
        return real(library, path)

    monkeypatch.setattr(records, "within", within)
    operations.rename(owner, library, "a.txt", "b.txt")
    item = operations.delete(owner, library, "b.txt")
    trash.restore(owner, item)
    assert len(held) >= 4
    assert all(held)


def is_held(library: Library) -> bool:
    with layout.rows_lock(library.pk).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Looked:
    """A scan that has looked at the rows and at the disk, and goes on later."""

    def __init__(self, library: Library) -> None:
        self.files = open_library(library)
        self.scan = scan._Scan(library, self.files.__enter__(), None)
        self.gone = self.scan._known()
        self.fresh = self.scan._look(self.gone)

    def finish(self) -> None:
        self.scan._follow_moves(self.gone, self.fresh)
        self.scan._add(self.fresh)
        self.scan._bury(self.gone)
        self.files.__exit__(None, None, None)


def looking_before(module: Any, name: str, library: Library, monkeypatch: pytest.MonkeyPatch) -> list[Looked]:
    """Just before this step of a change on the web, a scan looks."""
    found: list[Looked] = []
    real = getattr(module, name)

    def step(*arguments: Any, **more: Any) -> Any:
        found.append(Looked(library))
        return real(*arguments, **more)

    monkeypatch.setattr(module, name, step)
    return found


def test_a_file_renamed_while_it_is_captured_gets_no_others_content(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "m.bin").write_bytes(b"first")
    scan.scan(library)
    (place / "m.bin").write_bytes(b"second")
    real = scan._Scan._take

    def take(self: scan._Scan, row: File) -> capture.Taken | None:
        operations.rename(owner, library, "m.bin", "old.bin")
        operations.write(owner, library, "m.bin", b"another file")
        return real(self, row)

    with monkeypatch.context() as patched:
        patched.setattr(scan._Scan, "_take", take)
        scan.scan(library)
    scan.scan(library)
    assert contents(library, "old.bin") == [b"first", b"second"]


def test_who_renamed_a_file_is_not_who_wrote_it(library: Library, owner: User, editor: User) -> None:
    operations.write(owner, library, "a.txt", b"one")
    scan.scan(library)
    operations.rename(owner, library, "a.txt", "b.txt")
    scan.scan(library, editor)
    assert history.last_authors(library, ["b.txt"])["b.txt"] == owner.display_name
    assert contents(library, "b.txt") == [b"one"]


# For good


def test_what_is_restored_while_it_is_purged_stays(library: Library, place: Path, owner: User) -> None:
    (place / "d").mkdir()
    (place / "d/a").write_bytes(b"x")
    scan.scan(library)
    item = operations.delete(owner, library, "d")
    trash.restore(owner, Trashed.objects.get(pk=item.pk))
    trash.purge(owner, item)
    removal.empty_bin()
    assert (place / "d/a").read_bytes() == b"x"
    assert contents(library, "d/a") == [b"x"]


def test_a_kill_while_something_is_purged_takes_nothing_else(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.write(owner, library, "a.txt", b"purged")
    item = operations.delete(owner, library, "a.txt")
    (place / "a.txt").write_bytes(b"another file, not seen yet")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(removal, "discard_trashed", killed)
        with pytest.raises(KeyboardInterrupt):
            trash.purge(owner, item)
    monkeypatch.setattr(trash, "MEND_AFTER", -1)
    tasks.tidy()
    scan.scan(library)
    operations.write(owner, library, "a.txt", b"three")
    assert contents(library, "a.txt") == [b"another file, not seen yet", b"three"]
    assert Trashed.objects.get().path == "a.txt", "once more in the trash, for another month"


# One that is bad


def test_a_torn_object_is_written_anew(library: Library, place: Path) -> None:
    """A power failure may leave a name without its bytes."""
    (place / "a.txt").write_bytes(b"content")
    scan.scan(library)
    sha256 = Version.objects.get().sha256
    torn = store.path_of(sha256)
    torn.unlink()
    torn.touch()
    (place / "b.txt").write_bytes(b"content")
    scan.scan(library)
    assert contents(library, "a.txt") == contents(library, "b.txt") == [b"content"]


def test_a_time_before_1970_stops_no_scan(library: Library, place: Path) -> None:
    (place / "old.txt").write_bytes(b"y")
    os.utime(place / "old.txt", (-1000.0, -1000.0))
    scan.scan(library)
    (place / "old.txt").rename(place / "moved.txt")
    (place / "new.txt").write_bytes(b"n")
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.moved, outcome.new) == (1, 1)


@pytest.mark.slow
def test_restoring_all_goes_on_after_one_that_cannot_be_restored(library: Library, place: Path, owner: User) -> None:
    names = [f"f{number:02}.txt" for number in range(30)]
    for name in names:
        (place / name).write_text(name)
    scan.scan(library)
    for name in names:
        (place / name).unlink()
    scan.scan(library)
    store.path_of(Version.objects.get(file__path="f03.txt").sha256).unlink()
    assert trash.restore_loss(owner, Loss.objects.get()) == 29
    assert len(os.listdir(place)) == 29


def test_a_library_that_is_missing_stops_no_other(library: Library, place: Path, owner: User, editor: User) -> None:
    mine = Library.objects.get(owner_user=editor)
    operations.write(owner, library, "a.txt", b"x")
    operations.write(editor, mine, "a.txt", b"x")
    File.objects.update(is_captured=False)
    place.rename(place.with_name("away"))
    assert tasks.capture_waiting() == 1
    assert File.objects.get(is_captured=False).library == library
