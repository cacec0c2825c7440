"""Modes that a notebook gave its files and folders: every change on the web still works, or says why not."""

import os
from pathlib import Path

import pytest

from drive import tasks
from drive.files import operations, zip_stream
from drive.models import Library, Trashed
from drive.storage import StorageError, layout, open_library
from drive.versions import scan, trash
from portal.models import User

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(os.geteuid() == 0, reason="root may everything; bin/test runs this as another account"),
]


@pytest.fixture
def folder(library: Library, place: Path) -> Path:
    """`d/sub/o`; the test sets the modes."""
    (place / "d/sub").mkdir(parents=True)
    (place / "d/sub/o").write_bytes(b"o")
    scan.scan(library)
    return place / "d/sub"


def test_it_deletes_for_good_what_nobody_may_write_to(library: Library, owner: User, folder: Path) -> None:
    """As git-annex and DataLad leave their objects."""
    folder.chmod(0o555)
    trash.purge(owner, operations.delete(owner, library, "d"))
    tasks.empty_bin()
    assert not list(layout.trash(library.pk).rglob("o"))
    assert not list((layout.root() / "removed").iterdir())
    assert not Trashed.objects.exists()


def test_it_deletes_what_may_be_listed_but_not_entered(
    library: Library, owner: User, folder: Path, place: Path
) -> None:
    folder.chmod(0o444)
    item = operations.delete(owner, library, "d")
    assert not (place / "d").exists()
    trash.restore(owner, item)
    assert (place / "d").exists()
    tasks.tidy()


def test_it_copies_and_packs_what_it_can(library: Library, owner: User, folder: Path, place: Path) -> None:
    (place / "d/seen").write_bytes(b"x")
    folder.chmod(0o444)
    with open_library(library) as files:
        packed = b"".join(zip_stream.pack(files, [("d", "d")]))
    assert b"d/seen" in packed
    operations.copy(owner, library, "d", library, "e")
    assert (place / "e/seen").read_bytes() == b"x"


def test_it_gives_an_upload_back_when_the_folder_is_read_only(
    library: Library, owner: User, place: Path, tmp_path: Path
) -> None:
    (place / "ro").mkdir()
    (place / "ro").chmod(0o555)
    staged = layout.staging() / "upload"
    staged.write_bytes(b"upload")
    with pytest.raises(StorageError):
        operations.put(owner, library, "ro/a.txt", staged)
    assert staged.read_bytes() == b"upload"
