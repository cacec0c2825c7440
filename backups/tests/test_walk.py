"""What notebooks make of a directory while it is read."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.walk import VanishedError, walk


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "top").mkdir()
    fd = os.open(tmp_path / "top", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def names(top: int) -> set[bytes]:
    return {found.path for found in walk(top)}


def contents(top: int) -> dict[bytes, bytes]:
    """What can be read of every file."""
    read = {}
    for found in walk(top):
        if found.kind == "file":
            fd = found.open()
            read[found.path] = os.pread(fd, 100, 0)
            os.close(fd)
    return read


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_it_reads_what_its_account_may_not_and_leaves_the_modes(top: int, tmp_path: Path) -> None:
    _closed_tree(tmp_path)
    assert contents(top) == {b"secret": b"s", b"closed/inner/deep": b"d", b"listed/only": b"o"}
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "top").iterdir()}
    assert modes == {"secret": 0, "closed": 0, "listed": 0o400}


def _closed_tree(tmp_path: Path) -> None:
    place = tmp_path / "top"
    (place / "closed/inner").mkdir(parents=True)
    (place / "closed/inner/deep").write_text("d")
    (place / "closed/inner").chmod(0)
    (place / "listed").mkdir()
    (place / "listed/only").write_text("o")
    (place / "listed").chmod(0o400)
    (place / "secret").write_text("s")
    (place / "secret").chmod(0)
    (place / "closed").chmod(0)


def test_it_reads_folders_deeper_than_a_path_may_be(top: int) -> None:
    here = os.dup(top)
    name = b"d" * 200
    for _level in range(60):
        os.mkdir(name, dir_fd=here)
        there = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert b"/".join([name] * 60) + b"/bottom" in names(top)


def test_it_follows_no_link(top: int, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("SECRET")
    (tmp_path / "top/link").symlink_to(tmp_path / "outside")
    (tmp_path / "top/up").symlink_to("..")
    assert names(top) == {b"link", b"up"}


def test_it_does_not_open_what_has_taken_a_files_name(top: int, tmp_path: Path) -> None:
    (tmp_path / "top/file").write_text("x")
    (tmp_path / "secret").write_text("SECRET")
    for found in walk(top):
        for make in (lambda path: path.symlink_to(tmp_path / "secret"), os.mkfifo, Path.mkdir):
            path = tmp_path / "top/file"
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
            make(path)
            with pytest.raises(VanishedError):
                found.open()


@pytest.mark.slow
def test_it_leaks_nothing_to_a_folder_that_becomes_a_link_all_the_time(top: int, tmp_path: Path) -> None:
    place, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("SECRET")
    (place / "folder").mkdir()
    (place / "folder/file").write_text("fine")
    (place / "link").symlink_to(outside)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (place / "folder").rename(place / "aside")
            (place / "link").rename(place / "folder")
            (place / "folder").rename(place / "link")
            (place / "aside").rename(place / "folder")

    thread = threading.Thread(target=swap)
    thread.start()
    end, read = time.monotonic() + 1, set()
    try:
        while time.monotonic() < end:
            try:
                read |= set(contents(top).values())
            except VanishedError:
                continue
    finally:
        done.set()
        thread.join()
    assert read == {b"fine"}
