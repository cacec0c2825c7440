"""The disk's reserve has been reached: nothing is written, in words, and everything that makes room goes on."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from drive.files import operations
from drive.models import Library, Trashed, Version
from drive.storage import DiskFullError, disk_space, open_library
from drive.versions import capture, lab_saves, scan, trash
from portal.models import User

SignIn = Callable[[User], Client]
MIB = 2**20


@pytest.fixture
def browser(editor: User, sign_in: SignIn) -> Client:
    return sign_in(editor)


@pytest.fixture
def full(library: Library, editor: User, settings: Settings) -> Library:
    """A library with files on a disk of which the reserve alone is left."""
    for name in ("a.txt", "b.txt", "gone.txt"):
        operations.write(editor, library, name, b"words")
    operations.delete(editor, library, "gone.txt")
    settings.DISK_RESERVE_BYTES = 10**18
    return library


def test_nothing_more_is_written_and_people_and_programs_are_told_so(
    full: Library, browser: Client, place: Path
) -> None:
    page, api = f"/drive/{full.pk}/", f"/api/v1/libraries/{full.pk}"
    put = browser.put(f"{page}new.txt", b"x", content_type="application/octet-stream")
    assert (put.status_code, "not enough free space" in put.content.decode()) == (507, True)
    put = browser.put(f"{api}/files/new.txt", b"x", content_type="application/octet-stream")
    assert (put.status_code, put.json()["error"]) == (507, "insufficient_storage")
    upload = {"do": "upload", "file": io.BytesIO(b"x" * 3 * MIB)}
    said: Any = browser.post(page, upload, headers={"X-Script": "1"})
    assert (said.status_code, "disk is full" in said.content.decode()) == (507, True)
    saved: Any = browser.post(f"{page}a.txt", {"do": "save", "etag": "*", "text": "new"})
    assert "not enough free space" in saved.content.decode()
    copied: Any = browser.post(f"{api}/copy", {"path": "a.txt", "to_path": "c.txt"}, content_type="application/json")
    assert copied.status_code == 507
    (place / "b.txt").write_bytes(b"written by a Lab")
    with pytest.raises(DiskFullError):
        lab_saves.keep_current(full, "b.txt", None)


def test_what_makes_room_or_needs_none_goes_on(full: Library, browser: Client, editor: User, place: Path) -> None:
    page, api = f"/drive/{full.pk}/", f"/api/v1/libraries/{full.pk}"
    assert browser.delete(f"{api}/files/a.txt").status_code == 204
    moved: Any = browser.post(f"{api}/move", {"path": "b.txt", "to_path": "c.txt"}, content_type="application/json")
    assert moved.status_code == 200
    assert browser.post(page, {"do": "folder", "name": "d"}).status_code == 302
    row = Trashed.objects.get(path="gone.txt")
    assert browser.post(page, {"do": "restore", "id": str(row.pk)}).status_code == 302
    trash.purge_all(editor, full)
    assert not Trashed.objects.filter(library=full).exists()
    assert sorted(item.name for item in place.iterdir()) == ["c.txt", "d", "gone.txt"]


def test_a_file_that_is_replaced_goes_to_the_trash_where_there_is_no_room_for_a_copy(
    library: Library, editor: User, place: Path, settings: Settings
) -> None:
    (place / "data.bin").write_bytes(b"old")  # by a Lab, and no version yet
    with open_library(library) as files, files.staged(io.BytesIO(b"new")) as staged:
        settings.DISK_RESERVE_BYTES = 10**18
        operations.put(editor, library, "data.bin", staged)
    assert (place / "data.bin").read_bytes() == b"new"
    item = Trashed.objects.get(library=library)
    assert trash.restore(editor, item) != "data.bin"
    assert sorted(one.read_bytes() for one in place.iterdir()) == [b"new", b"old"]


def test_the_scan_leaves_files_for_when_there_is_room(
    library: Library, place: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)
    (place / "data.bin").write_bytes(b"x")
    reserve = settings.DISK_RESERVE_BYTES
    settings.DISK_RESERVE_BYTES = 10**18
    scan.scan(library)
    assert not Version.objects.exists()
    settings.DISK_RESERVE_BYTES = reserve
    scan.scan(library)
    assert Version.objects.count() == 1


def test_a_copy_ends_before_the_reserve_and_a_rescue_before_half_of_it(settings: Settings) -> None:
    target = io.BytesIO()
    settings.DISK_RESERVE_BYTES += disk_space.left() * 5 // 4
    assert disk_space.left() < 0
    with pytest.raises(DiskFullError):
        disk_space.copy(io.BytesIO(b"words"), target)
    disk_space.copy(io.BytesIO(b"words"), target, into_reserve=True)
    settings.DISK_RESERVE_BYTES = 10**18
    with pytest.raises(DiskFullError):
        disk_space.copy(io.BytesIO(b"words"), target, into_reserve=True)
    assert target.getvalue() == b"words"


def test_the_databases_disk_has_a_reserve_too(settings: Settings, tmp_path: Path) -> None:
    disk_space.require(1)
    settings.VAR_DIR = Path("/proc")  # a file system without any room
    with pytest.raises(DiskFullError):
        disk_space.require(1)
    disk_space.require(0)
