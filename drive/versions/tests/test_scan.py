"""What notebooks do to a library is captured, however they do it."""

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from conftest import Sleep
from drive.files import operations
from drive.models import File, Library, Loss, Trashed, Version, Via
from drive.storage import layout, open_library
from drive.versions import capture, history, retention, scan, store, trash
from drive.versions.capture import TornReadError
from portal.file_lock import file_lock
from portal.models import AuditEntry, User

from .support import contents


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests write and scan within one tick; `test_it_waits_…` takes the pause back."""
    monkeypatch.setattr(capture, "PAUSE", 0.0)


def test_it_captures_what_is_new_and_what_has_changed(library: Library, place: Path, owner: User) -> None:
    (place / "deep/er").mkdir(parents=True)
    (place / "deep/er/a.txt").write_bytes(b"one")
    outcome = scan.scan(library, owner)
    assert outcome
    assert (outcome.files, outcome.new, outcome.captured) == (1, 1, 1)
    (place / "deep/er/a.txt").write_bytes(b"two, longer")
    scan.scan(library)
    assert contents(library, "deep/er/a.txt") == [b"one", b"two, longer"]
    versions = Version.objects.order_by("pk")
    assert [(version.by, version.via) for version in versions] == [(owner, Via.LAB), (None, Via.LAB)]
    library.refresh_from_db()
    assert library.used_files == 1
    assert library.counted_at


@pytest.mark.slow
def test_it_opens_nothing_of_an_unchanged_library(
    library: Library, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (place / f"{number}.txt").write_text(str(number))
    scan.scan(library)
    monkeypatch.setattr(store, "add", lambda *_a, **_k: pytest.fail("opened"))
    with CaptureQueriesContext(connection) as few:
        outcome = scan.scan(library)
    assert outcome
    assert (outcome.files, outcome.new, outcome.changed, outcome.captured) == (300, 0, 0, 0)
    assert len(few) <= 6


def test_it_notices_a_change_that_hides_its_time(library: Library, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"one")
    before = file.stat()
    scan.scan(library)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    scan.scan(library)
    assert contents(library, "a.txt") == [b"one", b"two"]


def test_its_histories_follow_a_move_in_a_lab(library: Library, place: Path) -> None:
    (place / "a.txt").write_bytes(b"one")
    scan.scan(library)
    noted = File.objects.get().noted_at
    (place / "sub").mkdir()
    (place / "a.txt").rename(place / "sub/b.txt")
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.moved, outcome.new, outcome.vanished) == (1, 0, 0)
    moved = File.objects.get().noted_at
    assert noted
    assert moved
    assert moved > noted
    (place / "sub/b.txt").write_bytes(b"two")
    scan.scan(library)
    assert contents(library, "sub/b.txt") == [b"one", b"two"]
    assert not Trashed.objects.exists()


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"line\nbreak.txt", b"100%_\\.txt", "ü\U0010fc80.txt".encode()])
def test_it_keeps_names_that_are_no_text(library: Library, place: Path, name: bytes, owner: User) -> None:
    path = os.path.join(os.fsencode(place), name)  # noqa: PTH118
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"kept")
    scan.scan(library)
    os.unlink(path)  # noqa: PTH108
    scan.scan(library)
    trash.restore(owner, Trashed.objects.get())
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == b"kept"


def test_it_restores_a_folder_removed_in_a_lab(library: Library, place: Path, owner: User) -> None:
    (place / "kept").mkdir()
    (place / "data/deep").mkdir(parents=True)
    for name in ("data/a.txt", "data/deep/b.txt", "kept/c.txt"):
        (place / name).write_text(name)
    scan.scan(library)
    for name in ("data/a.txt", "data/deep/b.txt"):
        (place / name).unlink()
    (place / "data/deep").rmdir()
    (place / "data").rmdir()
    scan.scan(library)
    item = Trashed.objects.get()
    assert (item.path, item.kind, item.files) == ("data", "folder", 2)
    assert trash.restore(owner, item) == "data"
    assert (place / "data/deep/b.txt").read_text() == "data/deep/b.txt"
    assert not Trashed.objects.exists()
    (place / "data/a.txt").write_text("again")
    outcome = scan.scan(library)
    assert outcome
    assert outcome.new == 0
    assert contents(library, "data/a.txt") == [b"data/a.txt", b"again"]


def test_it_leaves_what_it_cannot_read(library: Library, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "shut").mkdir()
    (place / "shut/a.txt").write_bytes(b"one")
    scan.scan(library)
    with open_library(library) as files:
        real = type(files)._folder

    def refuse(self: object, parts: list[str]) -> object:
        if parts == ["shut"]:
            raise PermissionError(13, "chmod 000; root, who may run this, is not kept out by it")
        return real(self, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(type(files), "_folder", refuse)
    outcome = scan.scan(library)
    assert outcome
    assert outcome.unread == ["shut"]
    assert outcome.vanished == 0
    assert history.of_path(library, "shut/a.txt")


def test_it_passes_by_what_is_no_file(library: Library, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(place / "pipe")
    (place / "loop").symlink_to(".")
    (place / "out").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as listener, monkeypatch.context() as patch:
        patch.chdir(place)  # a socket's address is short
        listener.bind("socket")
    (place / ("n" * 255)).write_bytes(b"long")
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.files, outcome.captured) == (1, 1)


def test_it_does_not_copy_holes_and_giants(library: Library, place: Path, settings: Settings) -> None:
    settings.VERSION_MAX_BYTES = 2**20
    with (place / "sparse").open("wb") as file:
        file.truncate(50 * 2**30)
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.captured, outcome.size) == (0, 0)
    library.refresh_from_db()
    assert library.used_bytes == 0


def test_it_fills_no_store_with_holes(library: Library, place: Path) -> None:
    """A file of a few bytes may be as long as the largest that has versions: each would take that much of the store."""
    with (place / "holes").open("wb") as file:
        file.write(b"a few bytes")
        file.truncate(2**30)
    with (place / "some holes").open("wb") as file:
        file.write(b"x" * 2**20)
        file.truncate(3 * 2**20)
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.captured, outcome.left) == (1, [])
    assert contents(library, "some holes") == [b"x" * 2**20 + bytes(2**21)]
    assert scan.scan(library)
    assert Version.objects.count() == 1


def test_it_never_keeps_a_torn_copy(library: Library, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program rewrites a file all the time: every version must be one of what it wrote as a whole."""
    monkeypatch.setattr(capture, "PAUSE", 0.2)  # much longer than a busy machine stops a writer
    file, done = place / "a.bin", threading.Event()
    file.write_bytes(b"0" * 2**20)

    def rewrite() -> None:
        for number in range(1, 10**6):
            if done.is_set():
                return
            with file.open("r+b") as target:
                for _ in range(16):
                    target.write(bytes([48 + number % 10]) * 2**16)
                    time.sleep(0.0002)
            time.sleep(0.5 * (number % 2))

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        deadline = time.monotonic() + 60
        while Version.objects.count() < 4 and time.monotonic() < deadline:
            scan.scan(library)
            time.sleep(0.01)
    finally:
        done.set()
        writer.join()
    assert Version.objects.count() >= 4
    for version in Version.objects.all():
        content = store.open_object(version.sha256).read()
        assert content == content[:1] * 2**20


def test_it_waits_for_the_clock_of_the_file_system(
    library: Library, place: Path, monkeypatch: pytest.MonkeyPatch, sleep_in: Sleep
) -> None:
    monkeypatch.setattr(capture, "PAUSE", 3600.0)
    sleep_in(capture, lambda _seconds: None)
    (place / "a.txt").write_bytes(b"one")
    outcome = scan.scan(library)
    assert outcome
    assert outcome.left == ["a.txt"]
    with (place / "a.txt").open("rb") as source, pytest.raises(TornReadError):
        capture.take(source)


@pytest.mark.slow
def test_it_sounds_the_alarm_when_much_is_gone(library: Library, place: Path, owner: User) -> None:
    for number in range(40):
        (place / f"{number}.txt").write_text(str(number))
    scan.scan(library)
    for number in range(30):
        (place / f"{number}.txt").unlink()
    scan.scan(library)
    loss = Loss.objects.get()
    assert (loss.files, loss.of_files, loss.answered_at) == (30, 40, None)
    assert AuditEntry.objects.filter(verb="library.loss").count() == 1
    assert trash.restore_loss(owner, loss) == 30
    assert len(list(place.iterdir())) == 40
    loss.refresh_from_db()
    assert loss.answered_at


def test_it_is_alone(library: Library, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CAPTURE_AT_ONCE", 0)
    operations.write(owner, library, "a.txt", b"waits for its capture")
    with file_lock(layout.scan_lock(library.pk)):
        assert scan.scan(library) is None
        assert scan.capture_waiting(library) == 0
    assert scan.capture_waiting(library) == 1
    assert scan.scan(library) is not None


def test_it_keeps_the_author_of_what_was_saved_on_the_web(library: Library, place: Path, editor: User) -> None:
    operations.write(editor, library, "a.txt", b"by the editor")
    scan.scan(library)
    operations.write(editor, library, "a.txt", b"again")
    (place / "a.txt").write_bytes(b"in a Lab")
    scan.scan(library)
    found = [(version.by, version.via) for version in Version.objects.order_by("pk")]
    assert found == [(editor, Via.WEB), (editor, Via.WEB), (None, Via.LAB)]
    assert history.last_authors(library, ["a.txt", "b.txt"]) == {"a.txt": "a Lab"}


@pytest.mark.parametrize("step", ["row", "object", "sync"])
def test_it_may_be_killed_at_any_step(
    library: Library, place: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (place / "a.txt").write_bytes(b"one")

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    target = {"row": (scan.records, "captured"), "object": (store, "_clone_or_copy"), "sync": (store, "sync")}[step]
    with monkeypatch.context() as patch:
        patch.setattr(*target, kill)
        with pytest.raises(Killed):
            scan.scan(library)
    scan.scan(library)
    assert contents(library, "a.txt") == [b"one"]
    assert not list((place.parents[1] / "staging").glob("object-*"))
    assert File.objects.get().is_captured


def test_it_removes_objects_that_nothing_needs(library: Library, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "a.txt").write_bytes(b"one")
    (place / "b.txt").write_bytes(b"one")
    scan.scan(library)
    monkeypatch.setattr(retention, "_is_old", lambda _seconds: True)
    File.objects.filter(path="a.txt").delete()
    assert retention.sweep_store() == 0
    File.objects.all().delete()
    assert retention.sweep_store() == 1


@pytest.mark.slow
def test_it_buries_and_brings_back_very_many(library: Library, place: Path, owner: User) -> None:
    """More than a statement has room for (SQLite)."""
    count = 1500
    (place / "many").mkdir()
    for number in range(count):
        (place / f"many/{number}").write_text(str(number % 7))
    scan.scan(library)
    shutil.rmtree(place / "many")
    with CaptureQueriesContext(connection) as queries:
        scan.scan(library)
    assert len(queries) < 40
    item = Trashed.objects.get()
    with CaptureQueriesContext(connection) as queries:
        trash.restore(owner, item)
    assert len(queries) < 40
    assert (place / "many/1499").read_text() == str(1499 % 7)
    outcome = scan.scan(library)
    assert outcome
    assert (outcome.new, outcome.changed, outcome.captured) == (0, 0, 0)
