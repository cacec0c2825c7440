"""Where libraries are on disk, and that the disk follows the rows, whatever dies in between."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from collabs import services as collab_services
from collabs.models import Collab
from drive import tasks
from drive.libraries import services
from drive.models import Library
from drive.storage import NotFoundError, layout, open_library
from portal.models import User


def state(library: Library) -> tuple[str, list[str]]:
    """("private" or "public", the library's names among the public ones)."""
    places = [kind for kind in ("private", "public/.libraries") if (layout.root() / kind / str(library.pk)).is_dir()]
    assert len(places) == 1
    public = layout.root() / "public"
    links = [path.name for path in public.iterdir() if path.is_symlink() and path.resolve().name == str(library.pk)]
    return places[0].partition("/")[0], links


def notes() -> list[str]:
    return os.listdir(layout.root() / "unsettled")


@pytest.fixture
def data(owner: User) -> Library:
    library = services.create_library(owner, "Data")
    (layout.find(library.pk) / "a.txt").write_text("kept")
    return library


def test_it_moves_between_private_and_public(owner: User, data: Library) -> None:
    assert state(data) == ("private", [])
    services.set_public(owner, data, True)
    assert state(data) == ("public", ["Data"])
    assert (layout.root() / "public/Data/a.txt").read_text() == "kept"
    services.set_public(owner, data, False)
    assert state(data) == ("private", [])
    assert (layout.find(data.pk) / "a.txt").read_text() == "kept"
    assert notes() == []


def test_it_follows_names(owner: User, data: Library) -> None:
    services.set_public(owner, data, True)
    services.rename_library(owner, data, "Results")
    assert state(data) == ("public", ["Results"])
    other = services.create_library(owner, "Data")
    services.set_public(owner, other, True)
    assert state(other) == ("public", ["Data"])
    assert state(data) == ("public", ["Results"])


def test_it_follows_its_collab(owner: User, public_collab: Collab) -> None:
    library = public_collab.library
    assert state(library) == ("public", ["Open Cortex"])
    collab_services.update_collab(owner, public_collab, title="Open Brain", description="", is_public=True)
    assert state(library) == ("public", ["Open Brain"])
    collab_services.update_collab(owner, public_collab, title="Brain", description="", is_public=False)
    assert state(library) == ("private", [])
    collab_services.update_collab(owner, public_collab, title="Brain", description="", is_public=True)
    collab_services.delete_collab(owner, public_collab)
    assert state(library) == ("private", [])
    collab_services.restore_collab(owner, public_collab)
    assert state(library) == ("public", ["Brain"])


def test_it_hides_a_deleted_library(owner: User, data: Library) -> None:
    services.set_public(owner, data, True)
    services.delete_library(owner, data)
    assert state(data) == ("private", [])
    services.restore_library(owner, data)
    assert state(data) == ("public", ["Data"])


def test_it_keeps_a_descriptor_right_while_the_library_moves(owner: User, data: Library) -> None:
    with open_library(data) as files:
        services.set_public(owner, data, True)
        files.rename("a.txt", "b.txt")
        services.set_public(owner, data, False)
        assert [item.name for item in files.list()] == ["b.txt"]
    assert os.listdir(layout.find(data.pk)) == ["b.txt"]


def test_it_is_opened_while_it_moves_to_and_fro(owner: User, data: Library) -> None:
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            layout._move(data.pk, is_public=True)
            layout._move(data.pk, is_public=False)

    for place in ("public/.libraries", "private"):
        (layout.root() / place).mkdir(parents=True, exist_ok=True)
    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(500):
            with open_library(data) as files:
                assert files.stat("a.txt").size == 4
    finally:
        stop.set()
        mover.join()


def test_it_says_when_the_directory_is_missing(data: Library) -> None:
    (layout.find(data.pk) / "a.txt").unlink()
    layout.find(data.pk).rmdir()
    with pytest.raises(NotFoundError, match="repair"):
        open_library(data)
    layout.settle(data.pk)
    with open_library(data) as files:
        assert list(files.list()) == []


# A crash between the commit and the disk


def crash(monkeypatch: pytest.MonkeyPatch, step: str) -> Any:
    """The process dies at this step: nothing of it and after it happens."""

    def die(*_: Any, **__: Any) -> None:
        raise OSError("killed")

    patch = pytest.MonkeyPatch()
    patch.setattr(layout, step, die)
    return patch


STEPS = ["settle", "_unname", "_move", "_name", "_point", "remove_note"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("to_public", [True, False])
def test_it_is_healed_after_a_crash(
    owner: User, data: Library, monkeypatch: pytest.MonkeyPatch, step: str, to_public: bool
) -> None:
    services.set_public(owner, data, not to_public)
    patch = crash(monkeypatch, step)
    services.set_public(owner, data, to_public)
    patch.undo()
    tasks.settle_unsettled()
    assert state(data) == (("public", ["Data"]) if to_public else ("private", []))


def test_it_is_healed_after_a_crash_during_a_rename(
    owner: User, data: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.set_public(owner, data, True)
    for step, name in zip(STEPS, "abcdef", strict=True):
        patch = crash(monkeypatch, step)
        services.rename_library(owner, data, name)
        patch.undo()
        tasks.settle_unsettled()
        assert state(data) == ("public", [name])


def test_it_notes_the_change_before_the_commit(owner: User, data: Library) -> None:
    """A process that dies right after the commit has no time to say so."""
    with suppress(KeyboardInterrupt), transaction.atomic():
        services.set_public(owner, data, True)
        assert notes() == [str(data.pk)]
        raise KeyboardInterrupt
    tasks.settle_unsettled()
    assert state(data) == ("private", [])


def test_it_keeps_a_note_until_no_transaction_can_be_open(owner: User, data: Library) -> None:
    layout.note_unsettled(data.pk)
    assert tasks.settle_unsettled() == 1
    assert notes() == [str(data.pk)], "the change that it is about may not be committed yet"
    old = time.time() - layout.LONGEST_TRANSACTION - 1
    os.utime(layout.root() / "unsettled" / str(data.pk), (old, old))
    assert tasks.settle_unsettled() == 1
    assert tasks.settle_unsettled() == 0


def test_it_tries_again_what_fails(owner: User, data: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = crash(monkeypatch, "_move")
    services.set_public(owner, data, True)
    old = time.time() - layout.LONGEST_TRANSACTION - 1
    os.utime(layout.root() / "unsettled" / str(data.pk), (old, old))
    tasks.settle_unsettled()
    assert notes() == [str(data.pk)]
    patch.undo()
    tasks.settle_unsettled()
    assert (state(data), notes()) == (("public", ["Data"]), [])


def test_it_finds_what_no_note_speaks_of(owner: User, data: Library, collab: Collab) -> None:
    """As after a backup of the database was restored."""
    assert tasks.compare() == 0
    services.set_public(owner, data, True)
    Library.objects.filter(pk=data.pk).update(is_public=False)
    assert tasks.compare() == 1
    assert state(data) == ("private", [])
    Library.objects.filter(pk=data.pk).update(is_public=True)
    assert tasks.compare() == 1
    assert state(data) == ("public", ["Data"])


# Staging


def test_it_sweeps_what_uploads_left(own_files: Path) -> None:
    nginx = layout.staging() / "nginx"
    nginx.mkdir()
    old = time.time() - tasks.KEEP_STAGED - 60
    for path in (layout.staging() / "old", nginx / "0000000001"):
        path.touch()
        os.utime(path, (old, old))
    (layout.staging() / "new").touch()
    tasks.sweep()
    assert sorted(os.listdir(layout.staging())) == ["new", "nginx"]
    assert os.listdir(nginx) == []
    assert layout.sweep_staging(older_than=0) == 0


def test_it_counts_what_a_library_uses(data: Library) -> None:
    (layout.find(data.pk) / "sub").mkdir()
    (layout.find(data.pk) / "sub/b.txt").write_text("12345")
    (layout.find(data.pk) / "loop").symlink_to("..")
    size, count = layout.usage(data)
    assert (size, count) == (9, 2)
