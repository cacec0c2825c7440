"""What is saved from a home before it is deleted; the home was filled by code that nobody checked."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from drive.models import Library
from drive.storage import DiskFull, open_library
from lab import lifecycle, rescue
from lab.models import Server, State

from .conftest import state_of
from .inprocess import InProcessLauncher, Killed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ending(server: Callable[..., Server]) -> Server:
    return server("stopping")


@pytest.fixture
def home(ending: Server, launcher: InProcessLauncher) -> Path:
    return launcher.home(ending.pk)


def put(path: Path, content: str | bytes = "text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def saved(server: Server) -> dict[str, bytes]:
    """Everything in My Library below the folder of this rescue."""
    library = Library.objects.get(owner_user=server.owner, is_default=True)
    found: dict[str, bytes] = {}

    def walk(files, folder: str) -> None:
        for entry in list(files.list(folder)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.kind == "folder":
                walk(files, path)
            else:
                with files.open(path) as content:
                    found[path.split("/", 2)[2]] = content.read()

    with open_library(library) as files:
        walk(files, "")
    return found


def test_it_saves_notebooks_and_texts_in_their_folders(ending: Server, home: Path) -> None:
    put(home / "analysis.ipynb", "{}")
    put(home / "notes/today.md", "# Today")
    put(home / "src/Makefile", "all:\n")
    put(home / "data/übersicht.csv", "a,b\n1,2\n")
    result = rescue.rescue(ending, home)
    assert set(saved(ending)) == {"analysis.ipynb", "notes/today.md", "src/Makefile", "data/übersicht.csv"}
    assert (result.files, result.skipped, result.error) == (4, 0, "")
    assert result.folder.startswith("Rescued from the Lab/2")


def test_it_leaves_the_rest(ending: Server, home: Path) -> None:
    put(home / "drive/Shared with all/theirs.md")
    put(home / ".cache/x.txt")
    put(home / ".bash_history")
    put(home / "__pycache__/m.py")
    put(home / "project/node_modules/readme.md")
    put(home / "image.png", b"\x89PNG\r\n\x1a\n\0\0")
    put(home / "liar.py", b"\x7fELF\0\0")
    put(home / "empty.txt", "")
    result = rescue.rescue(ending, home)
    assert saved(ending) == {}
    assert (result.files, result.folder, result.error) == (0, "", "")


def test_it_saves_a_folder_called_drive_that_is_not_the_drive(ending: Server, home: Path) -> None:
    put(home / "disk/drive/mine.md")
    rescue.rescue(ending, home)
    assert set(saved(ending)) == {"disk/drive/mine.md"}


def test_it_follows_no_links(ending: Server, home: Path, tmp_path: Path) -> None:
    secret = put(tmp_path / "outside/secret.txt", "SECRET")
    (home / "a.txt").symlink_to(secret)
    (home / "b").symlink_to(secret.parent)
    (home / "c.txt").symlink_to("/etc/passwd")
    (home / "loop").symlink_to(".")
    rescue.rescue(ending, home)
    assert saved(ending) == {}


def test_it_follows_no_link_in_place_of_the_home(ending: Server, home: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside/secret.txt", "SECRET")
    home.rmdir()
    home.symlink_to(tmp_path / "outside")
    rescue.rescue(ending, home)
    assert saved(ending) == {}


def test_it_opens_no_fifos_or_sockets(ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(home / "pipe.txt")
    monkeypatch.chdir(home)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.txt")
    rescue.rescue(ending, home)
    assert saved(ending) == {}


def test_it_survives_names_that_the_drive_cannot_hold(ending: Server, home: Path) -> None:
    (home / os.fsdecode(b"b\xffd.txt")).write_text("x")
    put(home / "fine.txt")
    deep = home
    for _ in range(40):
        deep = deep / ("d" * 40)
    put(deep / "deep.txt")
    result = rescue.rescue(ending, home)
    assert "fine.txt" in saved(ending)
    assert result.error == ""


def test_it_keeps_names_apart_that_differ_only_by_case(ending: Server, home: Path) -> None:
    put(home / "Plan.md", "upper")
    put(home / "plan.md", "lower")
    rescue.rescue(ending, home)
    assert saved(ending) == {"Plan.md": b"upper", "plan (2).md": b"lower"}


def test_it_has_limits(ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "FILE_BYTES", 100)
    monkeypatch.setattr(rescue, "TOTAL_BYTES", 150)
    put(home / "a.txt", "x" * 90)
    put(home / "b.txt", "x" * 101)
    put(home / "c.txt", "x" * 90)
    put(home / "d.txt", "x" * 50)
    result = rescue.rescue(ending, home)
    assert set(saved(ending)) == {"a.txt", "d.txt"}
    assert (result.files, result.skipped) == (2, 2)


def test_it_stops_looking_in_an_endless_home(ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "MAX_LOOKS", 10)
    for number in range(50):
        put(home / f"{number:03}.txt")
    result = rescue.rescue(ending, home)
    assert (result.files, result.skipped) == (10, 1)


def test_it_may_be_cut_off_and_repeated(ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        put(home / name, name)
    whole, count = rescue._write, [0]

    def killed_at_the_second(*arguments) -> None:
        count[0] += 1
        if count[0] == 2:
            raise Killed
        whole(*arguments)

    monkeypatch.setattr(rescue, "_write", killed_at_the_second)
    with pytest.raises(Killed):
        rescue.rescue(ending, home)
    monkeypatch.setattr(rescue, "_write", whole)
    result = rescue.rescue(ending, home)
    assert saved(ending) == {name: name.encode() for name in ("a.txt", "b.txt", "c.txt")}
    assert result.files == 3


def test_nothing_is_deleted_before_the_rescue_was_tried_three_times(
    ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch, launcher: InProcessLauncher
) -> None:
    put(home / "a.txt")

    def full(*_: object) -> None:
        raise DiskFull("There is no space left.")

    monkeypatch.setattr(rescue, "_write", full)
    for _ in range(2):
        lifecycle.end(ending.pk)
        assert (state_of(ending), home.exists()) == (State.STOPPING, True)
    lifecycle.end(ending.pk)
    row = Server.objects.get()
    assert (row.state, home.exists()) == (State.STOPPED, False)
    assert row.rescued
    assert "no space" in row.rescued["error"]


def test_a_server_that_never_ran_has_nothing_to_rescue(server: Callable[..., Server]) -> None:
    ending = server("stopping", started_at=None)
    lifecycle.end(ending.pk)
    assert Server.objects.get().rescued is None
    assert state_of(ending) == State.STOPPED
