"""What was deleted long ago goes for good, whatever a notebook made of it; and nothing else goes."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from collabs import services as collab_services
from collabs.models import Collab, Membership
from drive.files import operations
from drive.libraries import purge, services
from drive.models import File, Library, Permission, PublicLink, Quota, Share, Trashed, Version
from drive.storage import layout, removal
from portal.models import AuditEntry, User

LATER = timedelta(days=31)


@pytest.fixture
def data(owner: User, stranger: User, collab: Collab) -> Library:
    library = services.create_library(owner, "Data")
    services.share_with_person(owner, library, stranger, Permission.READ)
    services.share_with_team(owner, library, collab, Permission.READ)
    services.set_public(owner, library, True)
    operations.write(owner, library, "a.txt", b"1")
    operations.write(owner, library, "a.txt", b"2")
    operations.write(owner, library, "b.txt", b"3")
    operations.delete(owner, library, "b.txt")
    return library


def remains(library: Library) -> list[Path]:
    """What has the library's id in its path."""
    return [path for path in layout.root().rglob("*") if str(library.pk) in str(path) and "locks" not in path.parts]


def test_it_removes_what_was_deleted_long_ago(owner: User, data: Library, outside: Path) -> None:
    place = layout.find(data.pk)
    (place / "link").symlink_to(outside)
    (place / "link to a file").symlink_to(outside / "secret.txt")
    (place / "deep/er").mkdir(parents=True)
    (place / "deep/er/x").touch()
    (place / "deep").chmod(0o000)
    os.mkfifo(place / "pipe")
    services.delete_library(owner, data)
    assert purge.purge(timezone.now() + timedelta(days=29)) == 0
    assert Library.objects.filter(pk=data.pk).exists()
    assert purge.purge(timezone.now() + LATER) == 1
    assert not Library.objects.filter(pk=data.pk).exists()
    assert not any(model.objects.exists() for model in (File, Version, Trashed, Share, PublicLink))
    assert remains(data) == []
    assert list(removal.bin_directory().iterdir()) == []
    assert (outside / "secret.txt").read_text() == "SECRET"
    assert (outside / "sub/secret.txt").exists()
    entry = AuditEntry.objects.get(verb="library.removed")
    assert (entry.actor, entry.target_id, entry.target_name) == (None, str(data.pk), "Data")
    assert purge.purge(timezone.now() + LATER) == 0


def test_it_leaves_alone_what_is_in_use(owner: User, data: Library, collab: Collab) -> None:
    assert purge.purge(timezone.now() + LATER) == 0
    assert Library.objects.count() == Library.objects.live().count()
    assert (layout.find(data.pk) / "a.txt").read_text() == "2"


def test_it_leaves_alone_what_is_restored_in_the_same_moment(owner: User, data: Library) -> None:
    services.delete_library(owner, data)
    stale = Library.objects.get(pk=data.pk)
    services.restore_library(owner, data)
    assert not purge.purge_library(stale, timezone.now() + LATER)
    assert (layout.find(data.pk) / "a.txt").read_text() == "2"


def test_it_is_too_late_to_restore_what_is_being_removed(
    owner: User, data: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.delete_library(owner, data)
    with monkeypatch.context() as patch:
        patch.setattr(removal, "discard", _killed)
        with pytest.raises(KeyboardInterrupt):
            purge.purge(timezone.now() + LATER)
    with pytest.raises(ValidationError, match="deleted permanently"):
        services.restore_library(owner, data)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


STEPS: list[tuple[object, str]] = [
    (layout, "settle"),
    (removal, "discard"),
    (removal, "empty_bin"),
    (removal, "_take_out"),
    (purge, "_delete_rows"),
    (layout, "remove_note"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_it_goes_on_after_a_crash_at_any_step(
    owner: User, data: Library, monkeypatch: pytest.MonkeyPatch, module: object, step: str
) -> None:
    services.delete_library(owner, data)
    with monkeypatch.context() as patch:
        patch.setattr(module, step, _killed)
        with pytest.raises(KeyboardInterrupt):
            purge.purge(timezone.now() + LATER)
    purge.purge(timezone.now() + LATER)
    assert not Library.objects.filter(pk=data.pk).exists()
    assert [path for path in remains(data) if path.parent.name != "unsettled"] == []
    assert list(removal.bin_directory().iterdir()) == []
    assert AuditEntry.objects.filter(verb="library.removed").count() == 1


@pytest.mark.slow
def test_it_removes_trees_of_any_depth(owner: User, data: Library) -> None:
    """Deeper than any path, and than Python's stack."""
    here = os.open(layout.find(data.pk), os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    services.delete_library(owner, data)
    assert purge.purge(timezone.now() + LATER) == 1
    assert list(removal.bin_directory().iterdir()) == []


def test_it_removes_a_collab_and_keeps_its_address(owner: User, stranger: User, data: Library, collab: Collab) -> None:
    library = collab.library
    (layout.find(library.pk) / "a.txt").touch()
    collab_services.delete_collab(owner, collab)
    assert purge.purge(timezone.now() + LATER) == 1
    assert remains(library) == []
    assert not Membership.objects.filter(collab=collab).exists()
    assert [share.collab for share in data.shares.all()] == [None]
    collab.refresh_from_db()
    assert collab.removed_at
    assert "Cortex" not in (collab.title, collab.description)
    with pytest.raises(ValidationError, match="removed for good"):
        collab_services.restore_collab(owner, collab)
    again = collab_services.create_collab(stranger, title="Cortex")
    assert again.slug != collab.slug
    assert AuditEntry.objects.filter(verb="collab.removed", target_name="Cortex").count() == 1


def test_it_removes_no_library_of_a_living_collab(owner: User, collab: Collab) -> None:
    collab_services.delete_collab(owner, collab)
    stale = Library.objects.get(owner_collab=collab)
    assert not purge.purge_library(stale, timezone.now() + LATER), "the Collab goes first"
    collab_services.restore_collab(owner, collab)
    assert purge.purge(timezone.now() + LATER) == 0
    assert layout.find(stale.pk).is_dir()


def test_it_forgets_no_quota(owner: User, data: Library, person: Callable[..., User]) -> None:
    Quota.objects.create(user=owner, max_bytes=1)
    services.delete_library(owner, data)
    purge.purge(timezone.now() + LATER)
    assert Quota.objects.get().user == owner
