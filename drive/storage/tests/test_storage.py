"""The files of one library: what a notebook may have made of them, and what the portal does then."""

import io
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from drive.models import Library
from drive.storage import (
    ABSENT,
    ANY,
    AccessDeniedError,
    ChangedError,
    IncompleteUploadError,
    LibraryFiles,
    NameTakenError,
    NotAFileError,
    NotFoundError,
    StorageError,
    WrongPathError,
    layout,
    open_library,
)
from drive.storage import files as storage_files


def read(files: LibraryFiles, path: str) -> bytes:
    with files.open(path) as source:
        return source.read()


def write(files: LibraryFiles, path: str, data: bytes, **options: Any) -> str:
    return files.write(path, io.BytesIO(data), **options).etag


def names(files: LibraryFiles, path: str = "") -> list[str]:
    return sorted(item.name for item in files.list(path))


def staged() -> list[Path]:
    return list(layout.staging().iterdir())


def trashed(library: Library) -> list[str]:
    """Paths in the trash, below the directories named by time."""
    trash = layout.root() / "trash" / str(library.pk)
    return sorted("/".join(path.relative_to(trash).parts[1:]) for path in trash.rglob("*") if path.parent != trash)


# Paths

WRONG = [
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    ".",
    "a/./b",
    "a//b",
    "a/",
    "//",
    "a\0b",
    "\0",
    "x" * 256,
    "é" * 128,
    "/".join(["x" * 200] * 16),
    "\ud800",
]


@pytest.mark.parametrize("path", WRONG)
def test_it_refuses_a_path_that_is_none(files: LibraryFiles, path: str) -> None:
    attempts = [
        lambda: files.stat(path),
        lambda: read(files, path),
        lambda: list(files.list(path)),
        lambda: list(files.names(path)),
        lambda: write(files, path, b""),
        lambda: files.make_folder(path),
        lambda: files.delete(path),
        lambda: files.rename(path, "a"),
        lambda: files.rename("a", path),
    ]
    for attempt in attempts:
        with pytest.raises(WrongPathError):
            attempt()
    assert staged() == []


@pytest.mark.parametrize("action", ["write", "make_folder", "delete", "open"])
def test_it_does_nothing_to_the_library_itself(files: LibraryFiles, action: str) -> None:
    with pytest.raises(StorageError):
        write(files, "", b"") if action == "write" else getattr(files, action)("")


def test_it_takes_the_longest_name(files: LibraryFiles) -> None:
    write(files, "x" * 255, b"1")
    assert read(files, "x" * 255) == b"1"


# Reading


def test_it_lists_what_is_there(files: LibraryFiles, place: Path) -> None:
    (place / "folder").mkdir()
    (place / "a.txt").write_text("hello")
    (place / "link").symlink_to("a.txt")
    os.mkfifo(place / "pipe")
    kinds = {item.name: item.kind for item in files.list()}
    assert kinds == {"folder": "folder", "a.txt": "file", "link": "link", "pipe": "other"}
    assert dict(files.names()) == {"folder": True, "a.txt": False, "link": False, "pipe": False}
    assert {item.name: item.size for item in files.look("", ["a.txt", "gone"])} == {"a.txt": 5}
    assert files.stat("link").kind == "link"
    assert files.stat("").kind == "folder"


def test_it_lists_without_holding_the_folder_in_memory(files: LibraryFiles, place: Path) -> None:
    for number in range(2000):
        (place / f"{number}").touch()
    listing = files.list()
    first = next(listing)
    for path in place.iterdir():
        if path.name != first.name:
            path.unlink()
    assert len(list(listing)) < 2000, "what vanished meanwhile is left out"


@pytest.mark.parametrize("target", ["../../../outside/secret.txt", "/etc/passwd", "a.txt"])
def test_it_follows_no_link(files: LibraryFiles, place: Path, outside: Path, target: str) -> None:
    (place / "a.txt").write_text("mine")
    (place / "link").symlink_to(target)
    for attempt in (lambda: read(files, "link"), lambda: write(files, "link", b"x"), lambda: list(files.list("link"))):
        with pytest.raises(NotAFileError):
            attempt()
    assert (place / "link").is_symlink()


def test_it_follows_no_link_on_the_way(files: LibraryFiles, place: Path, outside: Path) -> None:
    (place / "out").symlink_to(outside)
    (place / "a.txt").write_text("mine")
    attempts = [
        lambda: read(files, "out/secret.txt"),
        lambda: files.stat("out/secret.txt"),
        lambda: list(files.list("out")),
        lambda: list(files.list("out/sub")),
        lambda: list(files.look("out", ["secret.txt"])),
        lambda: write(files, "out/new.txt", b"x"),
        lambda: write(files, "out/secret.txt", b"x"),
        lambda: files.make_folder("out/new"),
        lambda: files.rename("out/secret.txt", "stolen.txt"),
        lambda: files.rename("a.txt", "out/a.txt"),
        lambda: files.delete("out/secret.txt"),
    ]
    for attempt in attempts:
        with pytest.raises(NotAFileError):
            attempt()
    assert sorted(os.listdir(outside)) == ["secret.txt", "sub"]
    assert (outside / "secret.txt").read_text() == "SECRET"
    assert staged() == []


def test_it_renames_and_deletes_a_link_itself(
    files: LibraryFiles, place: Path, outside: Path, library: Library
) -> None:
    (place / "link").symlink_to(outside)
    files.rename("link", "other")
    files.delete("other")
    assert names(files) == []
    assert trashed(library) == ["other"]
    assert (outside / "secret.txt").exists()


def test_it_never_opens_a_pipe(files: LibraryFiles, place: Path) -> None:
    """A writer that waits at the pipe's other end goes on waiting: opening it for reading would wake it up."""
    os.mkfifo(place / "pipe")
    woken = threading.Event()

    def wait_for_a_reader() -> None:
        fd = os.open(place / "pipe", os.O_WRONLY)
        woken.set()
        os.close(fd)

    writer = threading.Thread(target=wait_for_a_reader, daemon=True)
    writer.start()
    time.sleep(0.05)
    with pytest.raises(NotAFileError):
        read(files, "pipe")
    assert not woken.wait(0.1)
    with (place / "pipe").open("rb"):
        writer.join(5)


def test_it_never_opens_a_socket_or_a_folder(files: LibraryFiles, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        (place / "folder").mkdir()
        for path in ("socket", "folder"):
            with pytest.raises(NotAFileError):
                read(files, path)
        with pytest.raises(NotAFileError):
            list(files.list("socket"))


def test_it_says_when_a_mode_keeps_it_out(files: LibraryFiles, place: Path) -> None:
    (place / "mine.txt").write_text("x")
    (place / "mine.txt").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    with pytest.raises(AccessDeniedError):
        read(files, "mine.txt")


@pytest.mark.parametrize("seconds", [-(10**11), 0, 1_500_000_000_000])
def test_it_bears_any_time_that_a_file_says(files: LibraryFiles, place: Path, seconds: int) -> None:
    (place / "a.txt").touch()
    os.utime(place / "a.txt", (seconds, seconds))
    assert files.stat("a.txt").modified.year <= 9998
    assert [item.name for item in files.list()] == ["a.txt"]


def test_it_waits_for_no_lease(files: LibraryFiles, place: Path) -> None:
    """fcntl(2): who opens a file under a lease waits until its holder lets go, or 45 seconds."""
    (place / "a.txt").write_text("x")
    holder = "import fcntl, os, signal, sys; signal.signal(signal.SIGIO, signal.SIG_IGN);"
    holder += "fd = os.open(sys.argv[1], os.O_RDWR); fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK);"
    holder += "print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(place / "a.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(AccessDeniedError, match="lease"):
            read(files, "a.txt")
        assert time.monotonic() - began < 5
        process.communicate("")
    assert read(files, "a.txt") == b"x"


def test_it_survives_names_that_are_not_utf8(files: LibraryFiles, place: Path, library: Library) -> None:
    Path(os.fsdecode(os.fsencode(place) + b"/\xff\xfe.txt")).write_text("x")
    [item] = files.list()
    assert not item.reachable
    assert item.shown_name == "\ufffd\ufffd.txt"
    assert read(files, item.name) == b"x"
    files.rename(item.name, "saved.txt")
    assert names(files) == ["saved.txt"]


# Writing


def test_it_writes_whole_files(files: LibraryFiles, place: Path) -> None:
    files.make_folder("folder")
    write(files, "folder/a.txt", b"hello")
    assert (place / "folder/a.txt").read_bytes() == b"hello"
    assert stat.S_IMODE((place / "folder/a.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((place / "folder").stat().st_mode) & 0o700 == 0o700  # the rest is the umask's
    assert staged() == []


def test_it_replaces_in_one_step(files: LibraryFiles, library: Library) -> None:
    """Whoever reads sees one whole version: all bytes alike, full length."""
    size = 200_000
    write(files, "a.bin", b"0" * size)
    stop = threading.Event()
    seen: list[bytes] = []

    def keep_reading() -> None:
        with open_library(library) as mine:
            while not stop.is_set():
                seen.append(read(mine, "a.bin"))

    reader = threading.Thread(target=keep_reading)
    reader.start()
    while not seen and reader.is_alive():
        time.sleep(0.001)
    for number in range(30):
        write(files, "a.bin", b"%d" % (number % 10) * size)
    stop.set()
    reader.join()
    assert seen
    assert all(len(data) == size and len(set(data)) == 1 for data in seen)


def test_it_guards_a_save_by_its_version(files: LibraryFiles, place: Path) -> None:
    first = write(files, "a.txt", b"one", if_match=ABSENT)
    with pytest.raises(NameTakenError):
        write(files, "a.txt", b"two", if_match=ABSENT)
    second = write(files, "a.txt", b"two", if_match=first)
    assert second != first
    with pytest.raises(ChangedError):
        write(files, "a.txt", b"three", if_match=first)
    assert write(files, "a.txt", b"four", if_match=f'"other", {second}')
    assert write(files, "a.txt", b"five", if_match=ANY)
    (place / "a.txt").write_text("a notebook saved")
    etag = files.stat("a.txt").etag
    (place / "a.txt").unlink()
    for gone in (etag, ANY):
        with pytest.raises(ChangedError):
            write(files, "a.txt", b"six", if_match=gone)
    assert names(files) == []
    assert staged() == []


def test_it_lets_one_of_many_saves_of_the_same_version_through(files: LibraryFiles, library: Library) -> None:
    for _round in range(10):
        etag = write(files, "a.txt", b"start")
        won: list[int] = []
        ready = threading.Barrier(6)

        def save(number: int, etag: str = etag, won: list[int] = won, ready: threading.Barrier = ready) -> None:
            with open_library(library) as mine:
                ready.wait()
                try:
                    write(mine, "a.txt", b"%d" % number, if_match=etag)
                except ChangedError:
                    return
                won.append(number)

        savers = [threading.Thread(target=save, args=[number]) for number in range(6)]
        for saver in savers:
            saver.start()
        for saver in savers:
            saver.join()
        assert len(won) == 1
        assert read(files, "a.txt") == b"%d" % won[0]


@pytest.mark.parametrize("what", ["saved", "deleted", "made a folder", "made a link"])
def test_it_never_overwrites_what_a_notebook_does_between_look_and_rename(
    files: LibraryFiles, place: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    etag = write(files, "a.txt", b"start")
    look = LibraryFiles._guard

    def look_too_early(self: LibraryFiles, directory: int, name: str, if_match: str | None) -> str:
        name = look(self, directory, name, if_match)
        (place / "a.txt").unlink()
        if what == "saved":
            (place / "a.txt").write_text("the notebook's")
        elif what == "made a folder":
            (place / "a.txt").mkdir()
            (place / "a.txt/inside").touch()
        elif what == "made a link":
            (place / "a.txt").symlink_to("/etc/passwd")
        return name

    monkeypatch.setattr(LibraryFiles, "_guard", look_too_early)
    with pytest.raises(ChangedError):
        write(files, "a.txt", b"the portal's", if_match=etag)
    kinds = {"saved": "file", "made a folder": "folder", "made a link": "link"}
    assert [item.kind for item in files.list()] == ([kinds[what]] if what in kinds else [])
    if what == "saved":
        assert read(files, "a.txt") == b"the notebook's"
    assert staged() == []


def test_it_lets_one_of_many_creations_through(files: LibraryFiles, library: Library) -> None:
    made: list[str] = []
    ready = threading.Barrier(6)

    def create(name: str) -> None:
        with open_library(library) as mine:
            ready.wait()
            try:
                write(mine, name, name.encode(), if_match=ABSENT)
            except NameTakenError:
                return
            made.append(name)

    creators = [threading.Thread(target=create, args=[name]) for name in ("a", "A", "a", "A", "a", "A")]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join()
    assert names(files) == made


@pytest.mark.parametrize(
    ("there", "wanted"),
    [("Data.csv", "data.csv"), ("Größe", "grösse"), ("e\u0301.txt", "é.txt"), ("é.txt", "E\u0301.TXT"), ("ς", "Σ")],
)
def test_it_refuses_a_name_that_differs_only_by_case_or_form(
    files: LibraryFiles, place: Path, there: str, wanted: str
) -> None:
    (place / there).write_text("x")
    (place / "b").write_text("x")
    for attempt in (
        lambda: write(files, wanted, b"y"),
        lambda: files.make_folder(wanted),
        lambda: files.rename("b", wanted),
    ):
        with pytest.raises(NameTakenError) as refused:
            attempt()
        assert refused.value.name == there
        assert there in str(refused.value)


def test_it_gives_new_files_names_in_nfc_and_leaves_those_that_are_there(files: LibraryFiles, place: Path) -> None:
    assert write(files, "e\u0301.txt", b"x")
    assert names(files) == ["é.txt"]
    (place / "o\u0308.txt").write_text("a notebook made it")
    write(files, "o\u0308.txt", b"new")
    assert (place / "o\u0308.txt").read_bytes() == b"new"
    assert len(names(files)) == 2


def test_it_changes_the_case_of_a_name(files: LibraryFiles) -> None:
    write(files, "readme.md", b"x")
    files.rename("readme.md", "README.md")
    assert names(files) == ["README.md"]


def test_it_moves_and_refuses_to_move_over_something(files: LibraryFiles) -> None:
    files.make_folders("a/b")
    files.make_folders("a/b")
    write(files, "x.txt", b"x")
    write(files, "y.txt", b"y")
    files.rename("x.txt", "a/b/x.txt")
    files.rename("a/b/x.txt", "a/b/x.txt")
    assert read(files, "a/b/x.txt") == b"x"
    with pytest.raises(NameTakenError):
        files.rename("y.txt", "a/b/x.txt")
    with pytest.raises(WrongPathError):
        files.rename("a", "a/b/c")
    with pytest.raises(NotFoundError):
        files.rename("gone", "here")
    with pytest.raises(NotFoundError):
        files.rename("y.txt", "gone/y.txt")
    with pytest.raises(NameTakenError):
        files.make_folders("A/b")


def test_it_replaces_no_folder_by_a_file(files: LibraryFiles) -> None:
    files.make_folder("a")
    with pytest.raises(NotAFileError):
        write(files, "a", b"x")
    with pytest.raises(NotFoundError):
        write(files, "b/c.txt", b"x")
    write(files, "f", b"x")
    with pytest.raises(NotAFileError):
        write(files, "f/c.txt", b"x")
    assert staged() == []


def test_it_deletes_into_the_trash(files: LibraryFiles, library: Library) -> None:
    files.make_folders("a/b")
    write(files, "a/b/x.txt", b"kept")
    files.delete("a/b/x.txt")
    write(files, "a/b/x.txt", b"second")
    files.delete("a/b/x.txt")
    files.delete("a")
    assert names(files) == []
    assert trashed(library) == sorted(["a", "a/b", "a/b/x.txt"] * 2 + ["a", "a/b"])
    trash = layout.root() / "trash" / str(library.pk)
    assert sorted(path.read_bytes() for path in trash.rglob("x.txt")) == [b"kept", b"second"]
    with pytest.raises(NotFoundError):
        files.delete("a")


def test_it_keeps_nothing_of_an_upload_that_breaks_off(files: LibraryFiles) -> None:
    write(files, "a.txt", b"old")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        files.write("a.txt", Broken())
    with pytest.raises(IncompleteUploadError):
        files.write("a.txt", io.BytesIO(b"half"), size=8)
    assert read(files, "a.txt") == b"old"
    assert staged() == []


FULL_DISK = """
import io, sys
from pathlib import Path
import django
django.setup()
from drive.storage import DiskFullError, files
import os
root = Path(sys.argv[1])
for name in ("library", "staging", "trash"):
    (root / name).mkdir()
fd = os.open(root / "library", os.O_RDONLY | os.O_DIRECTORY)
with files.LibraryFiles(fd, staging=root / "staging", trash=root / "trash", lock=root / "lock") as library:
    library.write("a.bin", io.BytesIO(b"old"))
    try:
        library.write("a.bin", io.BytesIO(b"x" * (8 << 20)))
    except DiskFullError as error:
        print(error)
    assert not os.listdir(root / "staging")
    assert library.open("a.bin").read() == b"old"
    library.write("b.bin", io.BytesIO(b"x" * 100_000))
    print("fine")
"""


@pytest.mark.slow
def test_it_loses_nothing_on_a_full_disk(tmp_path: Path) -> None:
    """A real one: a file system of 2 MiB in a namespace of its own."""
    small = tmp_path / "small"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=2m none "{small}" && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    run = subprocess.run(
        [*namespace, sys.executable, "-c", FULL_DISK, str(small)],
        # Another disk has the reserve.
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings", "DRIVE_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines() == ["The disk is full. Nothing was changed.", "fine"], run.stderr


@pytest.mark.parametrize("in_place", [True, False])
def test_what_a_notebook_writes_right_after_is_not_taken_for_what_was_put(
    files: LibraryFiles, place: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    """Between the move into place and the look at the file there: whoever saves next has to find another version."""
    real = storage_files._move_in

    def move_in(*arguments: Any) -> bool:
        replaced = real(*arguments)
        if in_place:
            (place / "a.txt").write_bytes(b"by a notebook")
        else:
            (place / "new").write_bytes(b"by a notebook")
            (place / "new").rename(place / "a.txt")
        return replaced

    monkeypatch.setattr(storage_files, "_move_in", move_in)
    entry = files.write("a.txt", io.BytesIO(b"ours"))
    monkeypatch.undo()
    assert entry.size == 4
    assert entry.etag != files.stat("a.txt").etag
    with pytest.raises(ChangedError):
        files.write("a.txt", io.BytesIO(b"ours again"), if_match=entry.etag)
    assert (place / "a.txt").read_bytes() == b"by a notebook"
