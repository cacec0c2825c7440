"""What a Lab tells of saves: whose it is, where it may save, one save at a time, and within bounds."""

import contextlib
import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache import cache

from collabs.models import Collab
from drive.libraries import services as libraries
from drive.models import Library, Permission, Version
from drive.storage import DiskFullError, StorageError, layout
from drive.versions import capture, store
from lab.models import Server
from lab.servers import saves
from lab.servers.saves import NotSavedHereError, TooManySavesError
from notices.models import Notice
from portal.models import User
from portal.web import rate_limits

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]
PATH = "Shared with groups/Cortex/a.txt"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)
    cache.clear()


@pytest.fixture
def place(collab: Collab) -> Path:
    """Directory of the Collab's library."""
    return layout.find(collab.library.pk)


def write(place: Path, words: str) -> str:
    (place / "a.txt").write_text(words)
    return hashlib.sha256(words.encode()).hexdigest()


def versions() -> list[tuple[str, User | None]]:
    rows = Version.objects.order_by("pk").select_related("by")
    return [(store.path_of(row.sha256).read_text(), row.by) for row in rows]


def test_it_keeps_every_save_with_its_person(server: Make, editor: User, owner: User, place: Path) -> None:
    for number, person in enumerate((editor, owner, editor)):
        lab = Server.objects.filter(owner=person).first() or server("running", owner=person)
        assert saves.begin(lab, PATH)
        saves.end(lab, PATH, write(place, str(number)))
    assert versions() == [("0", editor), ("1", owner), ("2", editor)]


def test_one_saves_at_a_time(server: Make, editor: User, owner: User, place: Path) -> None:
    one, other = server("running", owner=owner), server("running", owner=editor)
    assert saves.begin(one, PATH)
    assert saves.begin(one, PATH), "whoever has the turn may ask again"
    write(place, "half of what the first one sa")
    assert not saves.begin(other, PATH)
    assert saves.begin(other, "Shared with groups/Cortex/another.txt")
    assert not versions(), "what is being written is no version"
    saves.end(one, PATH, write(place, "all of what the first one saves"))
    assert saves.begin(other, PATH)
    assert versions() == [("all of what the first one saves", owner)]


def test_a_turn_ends_by_itself_and_whoever_cannot_wait_goes_on(
    server: Make, editor: User, owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = server("running", owner=owner), server("running", owner=editor)
    assert saves.begin(one, PATH)
    write(place, "of a Lab that was killed")
    assert saves.begin(other, PATH, wait=False)
    assert versions() == [("of a Lab that was killed", None)]
    monkeypatch.setattr(saves, "TURN_SECONDS", 0)
    cache.clear()
    assert saves.begin(one, PATH)
    assert saves.begin(other, PATH)


def test_nobody_else_ends_a_turn(server: Make, editor: User, owner: User, place: Path) -> None:
    one, other = server("running", owner=owner), server("running", owner=editor)
    assert saves.begin(one, PATH)
    saves.end(other, PATH, "")
    assert not saves.begin(other, PATH)


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        "Shared with all/Open Cortex/a.txt",
        "My Libraries/My Library",
        "My Libraries/Nothing/a.txt",
        "Shared with groups/Nothing/a.txt",
        "Elsewhere/Cortex/a.txt",
        "Shared with groups",
        "",
        "a.txt",
    ],
)
def test_it_makes_no_version_where_its_person_may_not_write(
    server: Make, viewer: User, public_collab: Collab, place: Path, path: str
) -> None:
    lab = server("running", owner=viewer)
    saved = write(place, "words")
    with pytest.raises(NotSavedHereError):
        saves.begin(lab, path)
    with pytest.raises(NotSavedHereError):
        saves.end(lab, path, saved)
    assert not versions()


@pytest.mark.parametrize("inside", ["../a.txt", "../../etc/passwd", "x/../../a.txt", "/etc/passwd", "a\0b"])
def test_a_path_leads_nowhere_else(server: Make, owner: User, place: Path, inside: str) -> None:
    lab = server("running", owner=owner)
    (place.parent / "a.txt").write_text("outside")
    with contextlib.suppress(StorageError, NotSavedHereError):
        saves.end(lab, f"Shared with groups/Cortex/{inside}", hashlib.sha256(b"outside").hexdigest())
    assert not versions()


def test_what_was_found_is_of_nobody_where_others_may_write(server: Make, owner: User, editor: User) -> None:
    own = Library.objects.get(owner_user=owner, is_default=True)
    lab = server("running", owner=owner)
    path = "My Libraries/My Library/a.txt"
    write(layout.find(own.pk), "by my kernel")
    assert saves.begin(lab, path)
    libraries.share_with_person(owner, own, editor, Permission.WRITE)
    write(layout.find(own.pk), "by some kernel")
    assert saves.begin(lab, path)
    assert versions() == [("by my kernel", owner), ("by some kernel", None)]


def test_a_person_makes_so_many_versions_and_no_more(
    server: Make, owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = server("running", owner=owner)
    monkeypatch.setattr(saves, "MOST_SAVES", 4)
    for number in range(4):
        saves.end(lab, PATH, write(place, str(number)))
    with pytest.raises(TooManySavesError):
        saves.end(lab, PATH, write(place, "one more"))
    with pytest.raises(TooManySavesError):
        saves.begin(lab, PATH)
    assert len(versions()) == 4


def test_a_person_has_so_many_bytes_copied_and_no_more(
    server: Make, owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = server("running", owner=owner)
    monkeypatch.setattr(saves, "MOST_KIB", 100)
    saves.end(lab, PATH, write(place, "x" * 60_000))
    saves.end(lab, PATH, write(place, "y" * 60_000))
    with pytest.raises(TooManySavesError):
        saves.end(lab, PATH, write(place, "z" * 60_000))
    assert len(versions()) == 2
    assert rate_limits.used("lab-saves-kib", str(owner.pk), saves.COPIED_SECONDS) == 118


def test_it_says_once_that_the_disk_is_full(
    server: Make, owner: User, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = server("running", owner=owner)
    write(place, "words")

    def full(*_args: object, **_options: object) -> tuple[str, int]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "add", full)
    for _ in range(3):
        with pytest.raises(DiskFullError, match="no version"):
            saves.begin(lab, PATH)
    assert [notice.subject for notice in Notice.objects.filter(user=owner)] == [
        "Versions of your files are not kept: the disk is full"
    ]
