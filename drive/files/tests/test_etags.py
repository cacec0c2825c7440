"""Versions of a file: what a reader was told, a writer says again, and nobody's save is lost in between."""

import errno
import fcntl
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from drive.models import Library
from drive.storage import (
    ANY,
    AccessDeniedError,
    ChangedError,
    DiskFullError,
    IncompleteUploadError,
    LibraryFiles,
    NotAFileError,
    NotFoundError,
    layout,
)
from drive.storage import files as storage
from portal.models import User


def save(files: LibraryFiles, data: bytes, **options: Any) -> str:
    return files.write("a.txt", io.BytesIO(data), **options).etag


# A notebook that saves between the portal's look and its rename


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Runs something right before a staged file is moved to its name."""

    def arrange(happens: Callable[[], object]) -> None:
        move = storage._move_in

        def move_after(*arguments: Any) -> None:
            happens()
            move(*arguments)

        monkeypatch.setattr(storage, "_move_in", move_after)

    return arrange


def in_place(path: Path) -> None:
    path.write_text("the notebook's")


def by_rename(path: Path) -> None:
    fresh = path.with_name(".fresh")
    fresh.write_text("the notebook's")
    fresh.rename(path)


@pytest.mark.parametrize("saves", [in_place, by_rename])
def test_it_overwrites_nothing_that_a_notebook_saved_meanwhile(
    files: LibraryFiles, place: Path, meanwhile: Callable[..., None], saves: Callable[[Path], None]
) -> None:
    version = save(files, b"old")
    meanwhile(lambda: saves(place / "a.txt"))
    with pytest.raises(ChangedError):
        save(files, b"new", if_match=version)
    assert (place / "a.txt").read_text() == "the notebook's"
    assert os.listdir(layout.staging()) == []


@pytest.mark.parametrize("condition", ["version", ANY])
def test_it_says_when_the_file_went_meanwhile(
    files: LibraryFiles, place: Path, meanwhile: Callable[..., None], condition: str
) -> None:
    version = save(files, b"old")
    meanwhile((place / "a.txt").unlink)
    with pytest.raises(ChangedError):
        save(files, b"new", if_match=version if condition == "version" else ANY)
    assert os.listdir(place) == []
    assert os.listdir(layout.staging()) == []


def test_it_puts_no_file_in_place_of_a_folder_made_meanwhile(
    files: LibraryFiles, place: Path, meanwhile: Callable[..., None]
) -> None:
    version = save(files, b"old")

    def swap() -> None:
        (place / "a.txt").unlink()
        (place / "a.txt").mkdir()
        (place / "a.txt/kept").touch()

    meanwhile(swap)
    with pytest.raises(ChangedError):
        save(files, b"new", if_match=version)
    assert (place / "a.txt/kept").exists()


def test_it_replaces_a_version_and_leaves_nothing_in_staging(files: LibraryFiles, place: Path) -> None:
    second = save(files, b"second", if_match=save(files, b"first"))
    third = save(files, b"third", if_match=ANY)
    assert len({second, third}) == 2
    assert (place / "a.txt").read_bytes() == b"third"
    assert files.stat("a.txt").etag == third
    assert os.listdir(layout.staging()) == []


# What a notebook can do to a file


@pytest.mark.parametrize("moment", [2**40, 253402300800, -(2**40), 0])
def test_it_shows_a_file_of_any_time(
    files: LibraryFiles, library: Library, place: Path, owner: User, sign_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch, moment: int,
) -> None:  # fmt: skip
    (place / "a.txt").touch()
    real = os.stat

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        """As of a file system that keeps 64 bits of time; ext4 keeps 34."""
        found = real(path, *arguments, **options)
        if path != "a.txt":
            return found
        fields = list(found[:10])
        fields[8] = moment
        return os.stat_result(
            fields, {"st_mtime": float(moment), "st_mtime_ns": moment * 10**9, "st_ctime_ns": found.st_ctime_ns}
        )

    monkeypatch.setattr(storage.os, "stat", stat)
    assert 1900 < files.stat("a.txt").modified.year < 9999
    for sort in ("name", "date"):
        assert "a.txt" in sign_in(owner).get(f"/drive/{library.pk}/?sort={sort}").content.decode()


HOLD_LEASE = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def leased(place: Path) -> Iterator[str]:
    """A file on which a program holds a lease that it never gives up."""
    (place / "leased.txt").write_text("x")
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LEASE, place / "leased.txt"], stdout=subprocess.PIPE)
    assert holder.stdout
    if holder.stdout.readline() != b"held\n":
        pytest.skip("this file system knows no leases")
    yield "leased.txt"
    holder.kill()
    holder.communicate()


def test_it_does_not_wait_for_a_lease(files: LibraryFiles, leased: str) -> None:
    start = time.monotonic()
    with pytest.raises(AccessDeniedError):
        files.open(leased)
    assert time.monotonic() - start < 2
    files.write(leased, io.BytesIO(b"new"))  # a rename needs no consent


def test_it_waits_for_no_lock_that_a_reader_holds(files: LibraryFiles, place: Path) -> None:
    with (place / "a.txt").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        folder = os.open(place, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        save(files, b"new")
        os.close(folder)


# Uploads that do not arrive


def test_it_says_when_an_upload_was_lost(files: LibraryFiles, place: Path) -> None:
    with pytest.raises(IncompleteUploadError, match="lost"):
        files.put("a.txt", layout.staging() / "gone")
    os.mkfifo(layout.staging() / "pipe")
    with pytest.raises(NotAFileError):
        files.put("a.txt", layout.staging() / "pipe")
    (layout.staging() / "folder").mkdir()
    with pytest.raises(NotAFileError):
        files.put("a.txt", layout.staging() / "folder")
    assert os.listdir(place) == []


def test_it_says_when_a_file_is_too_large_for_the_disk(files: LibraryFiles, place: Path) -> None:
    class Endless(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(DiskFullError):
        files.write("a.txt", Endless())
    assert os.listdir(place) == os.listdir(layout.staging()) == []


def test_it_makes_no_folder_where_a_file_is(files: LibraryFiles) -> None:
    save(files, b"x")
    for path in ("a.txt", "a.txt/sub", "A.TXT"):
        with pytest.raises((storage.NameTakenError, NotAFileError)):
            files.make_folders(path)
    files.make_folders("a/b")
    files.make_folders("a/b")


def test_it_finds_nothing_below_a_file(files: LibraryFiles) -> None:
    save(files, b"x")
    with pytest.raises(NotFoundError):
        files.stat("a.txt/b")


# On the web


@pytest.fixture
def client(owner: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(owner)


def test_it_tells_a_reader_the_version_that_a_save_is_held_against(client: Client, library: Library) -> None:
    url = f"/drive/{library.pk}/a.txt"
    written = client.put(url, b"one")["ETag"]
    read = client.get(url + "?show=raw")["ETag"]
    assert read == written
    assert client.get(url + "?show=raw", headers={"If-None-Match": read}).status_code == 304
    assert client.put(url, b"two", headers={"If-Match": read}).status_code == 204
    assert client.put(url, b"three", headers={"If-Match": read}).status_code == 412
    assert client.get(url + "?show=raw", headers={"If-None-Match": read}).status_code == 200
    assert "X-Accel-Redirect" not in client.get(url + "?show=raw", headers={"If-Match": read})


def test_it_ignores_no_condition(client: Client, library: Library) -> None:
    url = f"/drive/{library.pk}/a.txt"
    assert client.put(url, b"x", headers={"If-None-Match": '"something"'}).status_code == 400
    assert client.put(url, b"x", headers={"If-None-Match": "*", "If-Match": "*"}).status_code == 400
    assert client.get(url + "?show=raw").status_code == 404


def test_it_takes_no_chunks_without_nginx(client: Client, library: Library) -> None:
    """Django reads Content-Length bytes, that is none: an empty file would be put in place of what was sent."""
    url = f"/drive/{library.pk}/a.txt"
    sent = client.generic("PUT", url, b"", headers={"Transfer-Encoding": "chunked"})
    assert sent.status_code == 411
    assert client.get(url + "?show=raw").status_code == 404


def test_it_finds_nothing_below_a_file_on_the_web(client: Client, library: Library) -> None:
    client.put(f"/drive/{library.pk}/a.txt", b"x")
    assert client.get(f"/drive/{library.pk}/a.txt/b").status_code == 404
