"""Replacing, deleting, restoring: nothing is lost, and its past goes along."""

import io
import os
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from drive.files import operations
from drive.models import File, Library, Trashed, Version, Via
from drive.storage import ANY, ChangedError, LibraryFiles, NameTakenError, NotFoundError, layout, open_library
from drive.versions import capture, history, replaced_files, retention, scan, store, trash
from portal.models import User

from .support import contents


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)


def staging(name: str = "*") -> list[Path]:
    return [path for path in layout.staging().glob(name) if path.is_file()]


def upload(actor: User, library: Library, path: str, content: bytes) -> None:
    """As the upload form does."""
    with open_library(library) as files, files.staged(io.BytesIO(content)) as staged:
        operations.put(actor, library, path, staged)


def test_it_keeps_what_was_replaced(library: Library, place: Path, owner: User, editor: User) -> None:
    upload(owner, library, "a.txt", b"one")
    upload(editor, library, "a.txt", b"two")
    entry = operations.write(owner, library, "a.txt", b"three")
    assert (place / "a.txt").read_bytes() == b"three"
    scan.capture_waiting(library)
    assert contents(library, "a.txt") == [b"one", b"two", b"three"]
    assert [version.by for version in Version.objects.order_by("pk")] == [owner, editor, owner]
    with pytest.raises(ChangedError):
        operations.write(editor, library, "a.txt", b"four", if_match='"other"')
    assert operations.write(editor, library, "a.txt", b"four", if_match=entry.etag)
    assert not staging()


def test_it_keeps_what_a_notebook_saved_before_and_meanwhile(
    library: Library, place: Path, files: LibraryFiles, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a.txt").write_bytes(b"by a notebook")
    real = replaced_files.ReplacedFileSaver.keep

    def keep_and_save(self: replaced_files.ReplacedFileSaver, source: io.BufferedReader) -> None:
        real(self, source)
        (place / "a.txt").write_bytes(b"by a notebook, in that very moment")

    monkeypatch.setattr(replaced_files.ReplacedFileSaver, "keep", keep_and_save)
    operations.write(owner, library, "a.txt", b"on the web")
    scan.capture_waiting(library)
    assert contents(library, "a.txt") == [b"by a notebook", b"by a notebook, in that very moment", b"on the web"]


def test_it_puts_what_is_too_large_for_versions_into_the_trash(
    library: Library, place: Path, owner: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VERSION_MAX_BYTES = 10
    monkeypatch.setattr(operations, "CAPTURE_AT_ONCE", 0)
    upload(owner, library, "deep.bin", b"a large file")
    upload(owner, library, "deep.bin", b"a new large file")
    item = Trashed.objects.get()
    assert trash.restore(owner, item) == "deep (restored).bin"
    assert (place / "deep (restored).bin").read_bytes() == b"a large file"
    assert (place / "deep.bin").read_bytes() == b"a new large file"


def test_it_goes_back_to_a_version(library: Library, place: Path, owner: User, editor: User) -> None:
    operations.write(owner, library, "a.txt", b"one")
    operations.write(owner, library, "a.txt", b"two")
    first = Version.objects.order_by("pk")[0]
    operations.restore_version(editor, history.find(library, "a.txt", str(first.pk)), "a.txt")
    assert (place / "a.txt").read_bytes() == b"one"
    scan.capture_waiting(library)
    assert contents(library, "a.txt") == [b"one", b"two", b"one"]
    newest = Version.objects.order_by("pk").last()
    assert newest
    assert (newest.by, newest.via) == (editor, Via.RESTORED)


@pytest.mark.parametrize("wrong", ["0", "x", "99999999", ""])
def test_it_finds_no_version_of_another_file(library: Library, owner: User, wrong: str) -> None:
    operations.write(owner, library, "a.txt", b"one")
    scan.capture_waiting(library)
    other = Version.objects.get()
    operations.write(owner, library, "b.txt", b"two")
    for path, version in (("b.txt", str(other.pk)), ("a.txt", wrong)):
        with pytest.raises(NotFoundError):
            history.find(library, path, version)


def test_a_history_survives_rename_delete_and_restore(library: Library, place: Path, owner: User) -> None:
    operations.make_folder(owner, library, "data")
    operations.write(owner, library, "data/a.txt", b"one")
    operations.write(owner, library, "data/a.txt", b"two")
    operations.rename(owner, library, "data", "old data")
    assert contents(library, "old data/a.txt") == [b"one", b"two"]
    item = operations.delete(owner, library, "old data")
    assert not File.objects.filter(trashed=None).exists()
    operations.make_folder(owner, library, "old data")
    assert trash.restore(owner, item) == "old data (restored)"
    scan.scan(library)
    assert contents(library, "old data (restored)/a.txt") == [b"one", b"two"]
    row = history.of_path(library, "old data (restored)/a.txt")
    assert row
    assert row.changed_by == owner
    assert not list(layout.trash(library.pk).iterdir())


def test_it_restores_one_file_among_its_old_neighbours(library: Library, place: Path, owner: User) -> None:
    operations.make_folder(owner, library, "data")
    for name in ("a.txt", "b.txt"):
        operations.write(owner, library, f"data/{name}", name.encode())
    item = operations.delete(owner, library, "data/a.txt")
    operations.delete(owner, library, "data")
    assert trash.restore(owner, item) == "data/a.txt"
    assert os.listdir(place / "data") == ["a.txt"]
    with pytest.raises(trash.NothingToRestoreError):
        trash.restore(owner, item)


def test_a_new_file_of_an_old_name_has_a_past_of_its_own(library: Library, place: Path, owner: User) -> None:
    (place / "a.txt").write_bytes(b"one")
    scan.scan(library)
    (place / "a.txt").unlink()
    (place / "b.txt").write_bytes(b"other")
    operations.rename(owner, library, "b.txt", "a.txt")
    scan.scan(library)
    assert contents(library, "a.txt") == [b"other"]
    assert trash.restore(owner, Trashed.objects.get()) == "a (restored).txt"
    assert (place / "a (restored).txt").read_bytes() == b"one"


def test_it_restores_links_as_links(library: Library, place: Path, owner: User) -> None:
    (place / "link").symlink_to("/etc/passwd")
    item = operations.delete(owner, library, "link")
    trash.restore(owner, item)
    assert os.readlink(place / "link") == "/etc/passwd"


class Killed(BaseException):
    """kill -9 here."""


@pytest.mark.parametrize("step", ["records.written", "handler.take", "row"])
def test_nothing_is_lost_when_it_is_killed_while_replacing(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (place / "a.txt").write_bytes(b"old")

    def kill(*_: object, **__: object) -> None:
        raise Killed

    targets = {
        "records.written": (operations.records, "written"),
        "handler.take": (replaced_files.ReplacedFileSaver, "take"),
        "row": (replaced_files.records, "captured"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*targets[step], kill)
        with pytest.raises(Killed):
            operations.write(owner, library, "a.txt", b"new")
    monkeypatch.setattr(trash, "_is_old", lambda _path: True)
    trash.keep_replaced()
    scan.scan(library)
    everything = {store.open_object(version.sha256).read() for version in Version.objects.all()}
    assert b"old" in everything | {(place / "a.txt").read_bytes()}
    assert (place / "a.txt").read_bytes() in (b"old", b"new")


@pytest.mark.parametrize(("step", "to_mend"), [("_note", 1), ("_measure", 0)])
def test_nothing_is_lost_when_it_is_killed_while_deleting(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch, step: str, to_mend: int
) -> None:
    operations.write(owner, library, "a.txt", b"kept")

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trash, step, kill)
        with pytest.raises(Killed):
            operations.delete(owner, library, "a.txt")
    monkeypatch.setattr(trash, "_is_old", lambda _path: True)
    assert trash.mend() == to_mend
    assert trash.mend() == 0
    assert trash.restore(owner, Trashed.objects.get()) == "a.txt"
    assert (place / "a.txt").read_bytes() == b"kept"


def test_nothing_is_lost_when_it_is_killed_while_restoring(
    library: Library, place: Path, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.write(owner, library, "a.txt", b"one")
    operations.write(owner, library, "a.txt", b"two")
    item = operations.delete(owner, library, "a.txt")

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trash, "_take_up", kill)
        with pytest.raises(Killed):
            trash.restore(owner, item)
    assert (place / "a.txt").read_bytes() == b"two"
    trash.mend()
    assert not Trashed.objects.exists()
    assert contents(library, "a.txt") == [b"one", b"two"]


def test_it_empties_the_trash_in_time(library: Library, place: Path, owner: User, settings: Settings) -> None:
    operations.write(owner, library, "a.txt", b"one")
    (place / "b.txt").write_bytes(b"two")
    scan.scan(library)
    operations.delete(owner, library, "a.txt")
    (place / "b.txt").unlink()
    scan.scan(library)
    assert Trashed.objects.count() == 2
    assert retention.empty_trash() == 0
    assert retention.empty_trash(timezone.now() + timedelta(days=settings.TRASH_KEEP_DAYS + 1)) == 2
    assert not File.objects.exists()
    assert not list(layout.trash(library.pk).iterdir())


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.lists(st.tuples(st.integers(0, 500 * 86400), st.integers(1, 3)), min_size=1, max_size=60))
def test_thinning_keeps_the_newest_and_one_of_each_person_per_span(saves: list[tuple[int, int]]) -> None:
    now = timezone.now()
    in_order = enumerate(sorted(saves, reverse=True))
    moments = [(number, now - timedelta(seconds=age), by) for number, (age, by) in in_order]
    gone = set(retention.superfluous(moments, now))
    kept = [moment for moment in moments if moment[0] not in gone]
    assert moments[-1][0] not in gone
    for (key, moment, by), (_next, _then, follower) in pairwise(moments):
        age = now - moment
        if age <= timedelta(hours=2) or (age <= timedelta(days=1) and by != follower):
            assert key not in gone
        if age > timedelta(days=365):
            assert key in gone
    for seconds, by in saves:
        if seconds <= 7 * 86400:  # somebody's work of the hour is there, or newer work of theirs
            after = now - timedelta(seconds=seconds + 3600)
            assert any(who == by and moment > after for _key, moment, who in kept)
    assert retention.superfluous(kept, now) == []


def test_autosaves_of_a_day_leave_a_version_for_ten_minutes_and_every_change_of_hands() -> None:
    now = timezone.now()
    every_two_minutes = [now - timedelta(hours=8) + timedelta(minutes=2 * number) for number in range(150)]
    moments: list[retention.Moment] = [(number, when, 1) for number, when in enumerate(every_two_minutes)]
    assert 30 <= len(moments) - len(retention.superfluous(moments, now)) <= 32
    moments[70] = (70, moments[70][1], 2)  # somebody else saved once in between
    gone = set(retention.superfluous(moments, now))
    assert not {69, 70} & gone


def test_thinning_removes_versions(library: Library, owner: User) -> None:
    for number in range(5):
        operations.write(owner, library, "a.txt", str(number).encode())
    scan.capture_waiting(library)
    Version.objects.update(captured_at=timezone.now() - timedelta(days=20))
    retention.thin()
    assert contents(library, "a.txt")[-1] == b"4"
    assert Version.objects.count() <= 3


def test_a_clash_leaves_the_upload_to_whoever_made_it(
    library: Library, files: LibraryFiles, place: Path, owner: User
) -> None:
    (place / "A.txt").write_bytes(b"there")
    with files.staged(io.BytesIO(b"mine")) as staged:
        with pytest.raises(NameTakenError):
            operations.put(owner, library, "a.txt", staged)
        assert staged.read_bytes() == b"mine"
        with pytest.raises(ChangedError):
            operations.put(owner, library, "b.txt", staged, if_match=ANY)
        assert staged.read_bytes() == b"mine"
