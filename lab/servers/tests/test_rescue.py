"""What is saved from a home before it is deleted; the home was filled by code that nobody checked."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from drive.models import Library
from drive.storage import DiskFullError, open_library
from lab.models import Server, State
from lab.servers import lifecycle, rescue
from lab.tests.inprocess import InProcessLauncher, Killed
from lab.tests.support import state_of

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
    monkeypatch.setattr(rescue, "MAX_ENTRIES", 10)
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
        raise DiskFullError("The disk is full.")

    monkeypatch.setattr(rescue, "_write", full)
    for _ in range(2):
        lifecycle.end(ending.pk)
        assert (state_of(ending), home.exists()) == (State.STOPPING, True)
    lifecycle.end(ending.pk)
    row = Server.objects.get()
    assert (row.state, home.exists()) == (State.STOPPED, False)
    assert row.rescued
    assert "disk is full" in row.rescued["error"]


def test_a_server_that_never_ran_has_nothing_to_rescue(server: Callable[..., Server]) -> None:
    ending = server("stopping", started_at=None)
    lifecycle.end(ending.pk)
    assert Server.objects.get().rescued is None
    assert state_of(ending) == State.STOPPED


# Installed packages


@pytest.fixture
def changes(ending: Server, launcher: InProcessLauncher, home: Path) -> Path:
    """The session's layer over its environment; the rescue is asked for through the launcher's own paths."""
    return launcher.changes(ending.pk) / "lib/python3.11/site-packages"


def listed(server: Server, launcher: InProcessLauncher) -> dict[str, list[str]]:
    """The lists that a rescue leaves, without the comment on top."""
    result = rescue.rescue(server, launcher.home(server.pk), launcher.changes(server.pk))
    assert not result.error
    found = {path: text.decode().splitlines()[1:] for path, text in saved(server).items()}
    assert result.packages == sum(len(lines) for lines in found.values())
    return {path.removeprefix("Installed packages/"): lines for path, lines in found.items()}


def test_it_names_what_was_installed(
    ending: Server, launcher: InProcessLauncher, changes: Path, tmp_path: Path
) -> None:
    ending.environment.prefix = str(tmp_path / "base")
    put(tmp_path / "base/lib/python3.11/site-packages/numpy-2.4.6.dist-info/METADATA")
    put(changes / "numpy-2.4.6.dist-info/RECORD")  # there before, and touched
    put(changes / "Brian2-2.9.0.dist-info/METADATA")
    put(changes / "ruamel.yaml-0.18.6.dist-info/METADATA")
    put(
        changes / "tool-1.0.dist-info/direct_url.json",
        '{"url": "https://example.org/tool-1.0.whl", "archive_info": {}}',
    )
    git = {"url": "https://example.org/a/nest", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    put(changes / "nest-3.1.dist-info/direct_url.json", json.dumps(git))
    put(changes / "mine-0.1.dist-info/direct_url.json", '{"url": "file:///home/owner/mine", "dir_info": {}}')
    put(launcher.changes(ending.pk) / "conda-meta/zlib-1.3.1-h4bc722e_2.json", "{}")
    assert listed(ending, launcher) == {
        "requirements.txt": [
            "# mine==0.1 was installed from a folder or a file",
            "Brian2==2.9.0",
            f"nest @ git+https://example.org/a/nest@{'a' * 40}",
            "ruamel.yaml==0.18.6",
            "tool @ https://example.org/tool-1.0.whl",
        ],
        "conda-packages.txt": ["zlib=1.3.1"],
    }


def test_it_writes_nothing_that_a_hostile_layer_says(
    ending: Server, launcher: InProcessLauncher, changes: Path, tmp_path: Path
) -> None:
    """Names that are options or lines of their own, links out of the layer, pipes, endless and nested files."""
    changes.mkdir(parents=True)
    for name in ("-r secrets-1.dist-info", "a\n--find-links=http:evil-1.dist-info", "-1.dist-info", "a-b.dist-info"):
        (changes / name).mkdir()
    put(changes / "file-1.0.dist-info")
    outside = put(tmp_path / "outside/x-1.0.dist-info/METADATA").parent
    (changes / "link-1.0.dist-info").symlink_to(outside)
    (launcher.changes(ending.pk) / "lib/python3.12").symlink_to(tmp_path / "outside")
    for name, text in (
        ("b-1", '{"url": "https://example.org/\\n--find-links=http://evil.example/"}'),
        ("c-1", '{"url": "https://example.org/", "vcs_info": {"vcs": "git", "commit_id": "x\\ny"}}'),
        ("d-1", "[" * 60_000),
        ("e-1", '{"url": 1}'),
    ):
        put(changes / f"{name}.dist-info/direct_url.json", text)
    (changes / "f-1.dist-info").mkdir()
    os.mkfifo(changes / "f-1.dist-info/direct_url.json")
    (changes / "g-1.dist-info").mkdir()
    (changes / "g-1.dist-info/direct_url.json").symlink_to("/etc/passwd")
    assert listed(ending, launcher)["requirements.txt"] == [
        "# b==1 was installed from a folder or a file",
        "# e==1 was installed from a folder or a file",
        "c==1",
        "d==1",
        "f==1",
        "g==1",
    ]


def test_it_has_nothing_to_name_where_nothing_was_installed(ending: Server, launcher: InProcessLauncher) -> None:
    launcher.changes(ending.pk).mkdir(parents=True)
    put(launcher.home(ending.pk) / "a.txt")
    assert rescue.rescue(ending, launcher.home(ending.pk), launcher.changes(ending.pk)).packages == 0


# What its person, or code of theirs, made unreadable


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o400, 0o600, 0o100])
def test_it_saves_from_a_home_and_folders_that_nobody_may_read(ending: Server, home: Path, mode: int) -> None:
    put(home / "a.md")
    put(home / "deep/er/b.md")
    for folder in (home / "deep/er", home / "deep", home):
        folder.chmod(mode)
    result = rescue.rescue(ending, home)
    assert set(saved(ending)) == {"a.md", "deep/er/b.md"}
    assert (result.files, result.skipped, result.error) == (2, 0, "")


def test_it_saves_files_that_nobody_may_read(ending: Server, home: Path) -> None:
    put(home / "a.md").chmod(0)
    put(home / "b.ipynb", "{}").chmod(0o200)
    rescue.rescue(ending, home)
    assert set(saved(ending)) == {"a.md", "b.ipynb"}


def test_it_gives_no_permission_through_a_link(ending: Server, home: Path, tmp_path: Path) -> None:
    """To a file or folder of the site's account, outside."""
    outside, folder = put(tmp_path / "outside.md", "secret"), tmp_path / "folder"
    put(folder / "inside.md", "secret")
    outside.chmod(0)
    folder.chmod(0)
    (home / "file.md").symlink_to(outside)
    (home / "folder").symlink_to(folder)
    os.mkfifo(home / "pipe.md", 0)
    rescue.rescue(ending, home)
    assert saved(ending) == {}
    assert [path.stat().st_mode & 0o777 for path in (outside, folder, home / "pipe.md")] == [0, 0, 0]
    folder.chmod(0o700)


def test_it_names_packages_of_an_environment_that_nobody_may_read(ending: Server, home: Path, tmp_path: Path) -> None:
    site = tmp_path / "changes/lib/python3.11/site-packages"
    put(site / "brian2-2.9.0.dist-info/METADATA")
    put(site / "mine-1.0.dist-info/direct_url.json", '{"url": "https://example.org/mine.tar.gz"}').chmod(0)
    for path in (site / "mine-1.0.dist-info", site, site.parent):
        path.chmod(0)
    result = rescue.rescue(ending, home, tmp_path / "changes")
    assert result.packages == 2
    assert b"mine @ https://example.org/mine.tar.gz" in saved(ending)["Installed packages/requirements.txt"]


def test_it_says_what_it_could_not_read(ending: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as what belongs to somebody else."""
    put(home / "a.md").chmod(0)
    put(home / "folder/b.md")
    (home / "folder").chmod(0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", _refused)
        result = rescue.rescue(ending, home)
    assert (result.files, result.skipped) == (0, 2)
    home.chmod(0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", _refused)
        assert "could not be read" in rescue.rescue(ending, home).error


def _refused(*_: object, **__: object) -> None:
    raise PermissionError
