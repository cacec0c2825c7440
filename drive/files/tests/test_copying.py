"""Moving and copying within and between libraries: on the disk, and through the pages."""

import errno
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from drive.files import operations
from drive.files.paths import name_in_form
from drive.libraries import quota, services
from drive.models import File, Library, Permission, Quota
from drive.storage import (
    DiskFullError,
    LibraryFiles,
    NameTakenError,
    NotAFileError,
    NotFoundError,
    WrongPathError,
    copying,
    layout,
    open_library,
)
from drive.versions import history
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def other(editor: User) -> Library:
    """A library of the editor's own."""
    return services.create_library(editor, "Data")


@pytest.fixture
def there(other: Library) -> Path:
    return layout.find(other.pk)


@pytest.fixture
def other_files(other: Library) -> Iterator[LibraryFiles]:
    with open_library(other) as files:
        yield files


@pytest.fixture
def as_editor(editor: User, sign_in: SignIn) -> Client:
    return sign_in(editor)


def tree_of(path: Path) -> dict[str, str]:
    """What is below a directory: contents of files, targets of links."""
    found = {}
    for item in path.rglob("*"):
        name = str(item.relative_to(path))
        found[name] = f"-> {item.readlink()}" if item.is_symlink() else "/" if item.is_dir() else item.read_text()
    return found


@pytest.fixture
def project(place: Path) -> Path:
    """A folder with most kinds of things in it."""
    folder = place / "project"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "a.txt").write_text("A")
    (folder / "deep/er/b.txt").write_text("B")
    (folder / "deep/out").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    return folder


# The disk


def test_it_copies_a_folder_with_its_links(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path
) -> None:
    os.utime(project / "a.txt", (5000, 5000))
    (project / "run.sh").write_text("x")
    (project / "run.sh").chmod(0o4755)
    copied = copying.copy(files, "project", other_files, "mine")
    assert tree_of(there / "mine") == tree_of(project)
    assert (there / "mine/a.txt").stat().st_mtime == 5000
    assert (there / "mine/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (copied.path, copied.left_out) == ("mine", [])
    assert list(layout.staging().iterdir()) == []


def test_it_copies_a_folder_into_itself_once(files: LibraryFiles, project: Path) -> None:
    before = tree_of(project)
    copying.copy(files, "project", files, "project/copy")
    assert tree_of(project / "copy") == before


def test_it_leaves_out_and_names_what_cannot_be_copied(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path
) -> None:
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(project, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)
    copied = copying.copy(files, "project", other_files, "mine")
    assert sorted(copied.left_out) == ["pipe", "sock"]
    assert not (there / "mine/pipe").exists()
    with pytest.raises(NotAFileError):
        copying.copy(files, "project/pipe", other_files, "pipe")
    assert list(layout.staging().iterdir()) == []


def test_it_keeps_the_holes_of_a_sparse_file(
    files: LibraryFiles, other_files: LibraryFiles, place: Path, there: Path
) -> None:
    with (place / "sparse").open("wb") as sparse:
        sparse.truncate(50 * 2**30)
        sparse.seek(10 * 2**30)
        sparse.write(b"data")
    copying.copy(files, "sparse", other_files, "sparse")
    made = there / "sparse"
    assert made.stat().st_size == 50 * 2**30
    assert made.stat().st_blocks * 512 < 1 << 20
    with made.open("rb") as content:
        content.seek(10 * 2**30)
        assert content.read(5) == b"data\0"


def test_it_copies_without_help_of_the_file_system(
    files: LibraryFiles, other_files: LibraryFiles, place: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    data = os.urandom(3_000_001)
    (place / "data").write_bytes(data)
    copying.copy(files, "data", other_files, "data")
    assert (there / "data").read_bytes() == data


@pytest.mark.parametrize("name", ["a", "A", "project/A.TXT"])
def test_it_refuses_a_name_that_is_taken(files: LibraryFiles, project: Path, place: Path, name: str) -> None:
    (place / "a").write_text("keep")
    before = tree_of(place)
    for act in (copying.copy, copying.move):
        with pytest.raises(NameTakenError):
            act(files, "project/deep", files, name)
    assert tree_of(place) == before


def test_it_lets_one_of_two_copies_to_one_name_win(
    files: LibraryFiles, other: Library, there: Path, place: Path
) -> None:
    for number in range(2):
        (place / str(number)).mkdir()
        (place / f"{number}/x").write_text(str(number))
    clashes = []

    def copy(number: int) -> None:
        with open_library(other) as target:
            try:
                copying.copy(files, str(number), target, "same")
            except NameTakenError as clash:
                clashes.append(clash)

    threads = [threading.Thread(target=copy, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clashes) == 1
    assert [path.name for path in there.iterdir()] == ["same"]
    assert list(layout.staging().iterdir()) == []


@pytest.mark.parametrize("step", ["_copy_data", "_sync"])
def test_it_leaves_nothing_when_the_disk_is_full(
    files: LibraryFiles,
    other_files: LibraryFiles,
    there: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(copying, step, full)
    monkeypatch.setattr(copying, "_FICLONE", 0)
    with pytest.raises(DiskFullError):
        copying.copy(files, "project", other_files, "mine")
    assert list(there.iterdir()) == []
    assert list(layout.staging().iterdir()) == []


def test_it_shows_nothing_of_a_copy_that_was_killed(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kill -9 leaves it: staging is not tidied up, until the sweep."""
    monkeypatch.setattr(copying.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(copying, "_into", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        copying.copy(files, "project", other_files, "mine")
    monkeypatch.undo()
    assert list(there.iterdir()) == []
    [left] = layout.staging().iterdir()
    assert layout.sweep_staging(older_than=left.stat().st_mtime - 1) == 0
    assert layout.sweep_staging(older_than=left.stat().st_mtime + 1) == 1
    assert list(layout.staging().iterdir()) == []


def test_it_refuses_more_than_somebody_waits_for(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MOST_FILES", 5)
    with pytest.raises(copying.CopyTooLargeError, match="in a terminal of the Lab"):
        copying.copy(files, "project", other_files, "mine")
    monkeypatch.undo()
    (project / "/".join(["d"] * 150)).mkdir(parents=True)
    with pytest.raises(copying.CopyTooLargeError):
        copying.copy(files, "project", other_files, "mine")
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "", "gone", "deep/out/passwd"])
def test_it_copies_and_moves_nothing_from_outside(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path, path: str
) -> None:
    source = path if path.startswith(".") or not path else f"project/{path}"
    for act in (copying.move, copying.copy):
        if act is copying.copy and not path:
            continue
        with pytest.raises((WrongPathError, NotFoundError, NotAFileError)):
            act(files, source, other_files, "x")
    assert list(there.iterdir()) == []


def test_it_moves_between_libraries_in_one_step(
    files: LibraryFiles, other_files: LibraryFiles, there: Path, project: Path, place: Path
) -> None:
    inode, before = project.stat().st_ino, tree_of(project)
    assert copying.move(files, "project", other_files, "re\u0301sultats") == "r\u00e9sultats"
    assert (there / "r\u00e9sultats").stat().st_ino == inode
    assert tree_of(there / "r\u00e9sultats") == before
    assert list(place.iterdir()) == []


@pytest.mark.slow
def test_it_reads_nothing_through_a_folder_that_becomes_a_link(
    library: Library, other_files: LibraryFiles, place: Path, there: Path, outside: Path
) -> None:
    """A notebook swaps a folder for a link to the outside in a loop, while copies are made of it."""
    (place / "top/sub").mkdir(parents=True)
    (place / "top/sub/secret.txt").write_text("fine")
    (place / "link").symlink_to(outside / "sub")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (place / "top/sub").rename(place / "aside")
            (place / "link").rename(place / "top/sub")
            (place / "top/sub").rename(place / "link")
            (place / "aside").rename(place / "top/sub")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        with open_library(library) as files:
            for number in range(100):
                copying.copy(files, "top", other_files, str(number))
    finally:
        over.set()
        thread.join()
    contents = {path.read_text() for path in there.rglob("secret.txt") if not path.parent.is_symlink()}
    assert contents <= {"fine"}


# History


def test_it_says_who_copied_and_takes_the_history_along(
    editor: User, owner: User, library: Library, other: Library, project: Path, there: Path
) -> None:
    operations.write(owner, library, "project/new.txt", b"1")
    operations.copy(editor, library, "project", other, "mine")
    operations.copy(editor, library, "project/a.txt", other, "one.txt")
    paths = ["mine/a.txt", "mine/deep/er/b.txt", "mine/new.txt", "one.txt"]
    assert history.last_authors(other, paths) == dict.fromkeys(paths, "Emil Editor")
    operations.move(editor, library, "project", other, "moved")
    assert history.last_authors(other, ["moved/new.txt"]) == {"moved/new.txt": "Olga Owner"}
    assert not File.objects.filter(library=library, trashed=None).exists()
    other.refresh_from_db()
    assert other.used_files == 5


def test_it_puts_nothing_where_it_does_not_fit(
    editor: User, library: Library, other: Library, project: Path, place: Path, there: Path
) -> None:
    Quota.objects.create(user=editor, max_bytes=3, max_files=100)
    operations.write(editor, library, "big.txt", b"12345")
    with pytest.raises(quota.OverQuotaError):
        operations.copy(editor, library, "big.txt", other, "big.txt")
    with pytest.raises(quota.OverQuotaError):
        operations.move(editor, library, "big.txt", other, "big.txt")
    assert (place / "big.txt").exists()
    assert list(there.iterdir()) == []
    operations.copy(editor, library, "project/a.txt", other, "a.txt")
    Quota.objects.update(max_bytes=0)
    mine = services.create_library(editor, "More")
    operations.move(editor, other, "a.txt", mine, "a.txt")  # one quota for both: nothing is added


# The pages


def fields(*names: str) -> list[str]:
    return [name_in_form(name) for name in names]


def to(library: Library, folder: str = "") -> str:
    return f"{library.pk}/{name_in_form(folder)}"


@pytest.mark.slow
def test_it_leads_from_the_libraries_to_a_folder(
    as_editor: Client, library: Library, other: Library, place: Path, there: Path
) -> None:
    """Without JavaScript: every step is a button of one form."""
    (place / "a.txt").write_text("A")
    (there / "sub dir").mkdir()
    (there / ".hidden").mkdir()
    url, form = f"/drive/{library.pk}/", {"do": "move", "name": fields("a.txt")}
    page = as_editor.post(url, form).content.decode()
    assert "Move “a.txt”" in page
    assert f'name="to" value="{to(library)}"' in page
    page = as_editor.post(url, form | {"to": to(library), "open": ""}).content.decode()
    assert "My Libraries" in page
    assert f'value="{other.pk}/"' in page
    page = as_editor.post(url, form | {"open": f"{other.pk}/"}).content.decode()
    assert f'value="{to(other, "sub dir")}">sub dir/' in page
    assert ".hidden" not in page
    page = as_editor.post(url, form | {"to": to(other, "sub dir"), "go": "1"}, follow=True).content.decode()
    assert "“a.txt” was moved to" in page
    assert f"<a href='/drive/{other.pk}/sub%20dir/'>Data / sub dir</a>" in page
    assert (tree_of(place), tree_of(there / "sub dir")) == ({}, {"a.txt": "A"})


def test_it_copies_several_into_a_new_folder(
    as_editor: Client, library: Library, other: Library, project: Path, place: Path, there: Path
) -> None:
    (place / "b.txt").write_text("B")
    os.mkfifo(project / "pipe")
    form = {"do": "copy", "name": fields("project", "b.txt"), "to": to(other), "new_folder": "Copies", "go": "1"}
    page = as_editor.post(f"/drive/{library.pk}/", form, follow=True).content.decode()
    assert "2 items were copied to" in page
    assert "“project/pipe” was not copied" in page
    (project / "pipe").unlink()
    assert tree_of(there / "Copies") == tree_of(place)


def test_it_names_a_few_of_very_many_that_are_not_copied(
    as_editor: Client, library: Library, other: Library, place: Path
) -> None:
    for folder in ("one", "two"):
        (place / folder).mkdir()
        for number in range(30):
            os.mkfifo(place / folder / f"pipe {number}")
    form = {"do": "copy", "name": fields("one", "two"), "to": to(other), "go": "1"}
    page = as_editor.post(f"/drive/{library.pk}/", form, follow=True).content.decode()
    assert page.count("was not copied") == 10
    assert "50 more were not copied." in page


def test_it_names_what_is_in_the_way_and_changes_nothing(
    as_editor: Client, library: Library, other: Library, place: Path, there: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        (place / name).write_text("new")
    (there / "A.TXT").write_text("old")
    for do in ("move", "copy"):
        form = {"do": do, "name": fields("a.txt", "b.txt"), "to": to(other), "go": "1"}
        answer = as_editor.post(f"/drive/{library.pk}/", form)
        assert answer.status_code == 409
        assert "“A.TXT” is in “Data” already. Nothing was" in answer.content.decode()
    assert tree_of(place) == {"a.txt": "new", "b.txt": "new"}
    assert tree_of(there) == {"A.TXT": "old"}


def test_it_gives_a_copy_beside_its_original_another_name(as_editor: Client, library: Library, place: Path) -> None:
    (place / "a.txt").write_text("A")
    form = {"do": "copy", "name": fields("a.txt"), "to": to(library), "go": "1"}
    for _ in range(2):
        as_editor.post(f"/drive/{library.pk}/", form)
    assert tree_of(place) == {"a.txt": "A", "a (copy).txt": "A", "a (copy 2).txt": "A"}


def test_it_moves_no_folder_into_itself(as_editor: Client, library: Library, project: Path, place: Path) -> None:
    before = tree_of(place)
    form = {"do": "move", "name": fields("project"), "to": to(library, "project/deep"), "go": "1"}
    page = as_editor.post(f"/drive/{library.pk}/", form, follow=True).content.decode()
    assert "A folder cannot be moved into itself." in page
    assert tree_of(place) == before


def test_it_says_that_a_copy_is_too_large(
    as_editor: Client, library: Library, other: Library, project: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MOST_FILES", 5)
    form = {"do": "copy", "name": fields("project"), "to": to(other), "go": "1"}
    page = as_editor.post(f"/drive/{library.pk}/", form, follow=True).content.decode()
    assert "Too large to copy here" in page
    assert list(there.iterdir()) == []


def test_it_lets_a_viewer_copy_to_where_they_may_write_and_move_nothing(
    viewer: User, library: Library, place: Path, sign_in: SignIn
) -> None:
    (place / "a.txt").write_text("A")
    mine, client, url = services.create_library(viewer, "Mine"), sign_in(viewer), f"/drive/{library.pk}/"
    page = client.post(url, {"do": "copy", "name": fields("a.txt")}).content.decode()
    assert re.search(f'value="{mine.pk}/"', page)
    assert f'value="{library.pk}/"' not in page
    form = {"name": fields("a.txt"), "to": to(mine), "go": "1"}
    assert client.post(url, form | {"do": "move"}).status_code == 403
    assert client.post(url, form | {"do": "copy"}).status_code == 302
    assert client.post(url, form | {"do": "copy", "to": to(library)}).status_code == 403
    assert tree_of(layout.find(mine.pk)) == tree_of(place) == {"a.txt": "A"}


@pytest.mark.parametrize("do", ["move", "copy"])
def test_it_keeps_to_the_table(
    do: str, owner: User, stranger: User, as_editor: Client, library: Library, place: Path, sign_in: SignIn
) -> None:
    (place / "a.txt").write_text("A")
    secret = services.create_library(owner, "Secret")
    url, form = f"/drive/{library.pk}/", {"do": do, "name": fields("a.txt"), "go": "1"}
    assert as_editor.post(url, form | {"to": to(secret)}).status_code == 404
    services.share_with_person(owner, secret, User.objects.get(username="editor"), Permission.READ)
    assert as_editor.post(url, form | {"to": to(secret)}).status_code == 403
    assert sign_in(stranger).post(url, form | {"to": to(secret)}).status_code == 404
    assert Client().post(url, form | {"to": to(secret)}).status_code == 302
    for wrong in ("nonsense/", f"{library.pk}/gone", f"{library.pk}/..%2F.."):
        assert as_editor.post(url, form | {"to": wrong}, follow=True).status_code in (200, 404)
    assert tree_of(place) == {"a.txt": "A"}
    assert list(layout.find(secret.pk).iterdir()) == []
