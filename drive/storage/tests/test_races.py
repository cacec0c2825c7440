"""A notebook that swaps a folder for a link, over and over, while the portal reads, writes and deletes below it."""

import ctypes
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drive.storage import LibraryFiles, NotFoundError, StorageError

TRIES = 3000
SYNCED_TRIES = 300
"""Each waits for the disk."""
PATIENCE = 50
"""So many times as many tries until the race ends the other way for once."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def swapped(place: Path, outside: Path) -> Iterator[Path]:
    """`folder` in the library: in turn a folder of its own, and a link that leads outside. Swapped in one step."""
    (place / "folder/sub").mkdir(parents=True)
    for name in ("secret.txt", "sub/secret.txt"):
        (place / "folder" / name).write_text("mine")
    (place / "link").symlink_to(outside)
    renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    one, other = os.fsencode(place / "folder"), os.fsencode(place / "link")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    yield place / "folder"
    stop.set()
    swapper.join()


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b"" for path in directory.rglob("*")
    }


def attempts(do: Callable[[int], object], tries: int = TRIES) -> None:
    """Try again and again, whatever comes of it."""
    for number in range(tries):
        with suppress(StorageError):
            do(number)


def race(do: Callable[[int], object], tries: int = TRIES) -> None:
    """As `attempts`, and on until it worked and was refused: a race that always ends alike tests nothing."""
    done = refused = 0
    for number in range(PATIENCE * tries):
        try:
            do(number)
        except StorageError:
            refused += 1
        else:
            done += 1
        if number >= tries and done and refused:
            return
    raise AssertionError(f"{done} times it worked, {refused} times it was refused")


@pytest.mark.parametrize("path", ["folder/secret.txt", "folder/sub/secret.txt"])
def test_it_leaks_no_byte_when_reading(swapped: Path, files: LibraryFiles, path: str) -> None:
    def read(_number: int) -> None:
        with files.open(path) as source:
            assert source.read() == b"mine"

    race(read)


def test_it_leaks_no_name_when_listing(swapped: Path, files: LibraryFiles, outside: Path) -> None:
    (outside / "only outside").touch()

    def look(_number: int) -> None:
        assert {item.name for item in files.list("folder")} <= {"secret.txt", "sub"}
        assert {name for name, _ in files.names("folder")} <= {"secret.txt", "sub"}
        with pytest.raises(NotFoundError):
            files.stat("folder/only outside")

    def look_if_there(number: int) -> None:
        files.stat("folder/sub")
        look(number)

    race(look_if_there)


def test_it_writes_nothing_outside(swapped: Path, files: LibraryFiles, outside: Path) -> None:
    before = snapshot(outside)

    def write(number: int) -> None:
        files.write("folder/secret.txt", io.BytesIO(b"%d" % number))

    race(write, SYNCED_TRIES)
    assert snapshot(outside) == before


@pytest.mark.slow
def test_it_makes_moves_and_deletes_nothing_outside(swapped: Path, files: LibraryFiles, outside: Path) -> None:
    before = snapshot(outside)

    race(lambda number: files.make_folder(f"folder/new {number}"))
    attempts(lambda number: files.rename(f"folder/new {number}", f"folder/sub/moved {number}"))
    attempts(lambda number: files.delete(f"folder/sub/moved {number}"))
    attempts(lambda _number: files.delete("folder/sub"))
    attempts(lambda _number: files.delete("folder/secret.txt"))
    assert snapshot(outside) == before
