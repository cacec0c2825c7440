"""What is kept for WebDAV's programs goes with the files it is about."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from drive.files import operations
from drive.models import Library
from drive.storage import layout
from drive.versions.scan import scan
from portal.models import User
from webdav.models import Checksum, Lock, Property
from webdav.tasks import forget_gone

from .conftest import Program

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SHA1 = "SHA1:11f6ad8ec52a2984abaafd7c3b516503785c2072"
"""Of an x."""
PATCH = (
    "<propertyupdate xmlns='DAV:'><set><prop><mine xmlns='http://example.org/'>1</mine></prop></set></propertyupdate>"
)


def test_it_keeps_what_is_about_files_that_are_there(program: Program) -> None:
    assert program.status("PUT", ":a", b"x", OC_Checksum=SHA1) == 201
    program("MKCOL", ":folder")
    assert program.status("PROPPATCH", ":a", PATCH) == program.status("PROPPATCH", ":folder", PATCH) == 207
    assert program.lock(":a").status == 200
    assert forget_gone() == 0
    assert (Checksum.objects.count(), Property.objects.count(), Lock.objects.count()) == (1, 2, 1)


def test_it_forgets_locks_that_have_ended(program: Program) -> None:
    program("PUT", ":a", b"x")
    program.lock(":a")
    Lock.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert forget_gone() == 1
    assert not Lock.objects.exists()


@pytest.mark.parametrize("way", ["on a page", "in a Lab"])
def test_it_forgets_what_is_about_files_that_are_gone(
    program: Program, editor: User, library: Library, place: Path, way: str
) -> None:
    for name in ("a", "b"):
        assert program.status("PUT", f":{name}", b"x", OC_Checksum=SHA1) == 201
        assert program.status("PROPPATCH", f":{name}", PATCH) == 207
    if way == "on a page":
        operations.write(editor, library, "a", b"other")
        operations.delete(editor, library, "a")
    else:
        (place / "a").unlink()
        scan(library)
    assert forget_gone() == 2
    assert [row.path for row in Property.objects.all()] == ["b"]
    assert program.find(":b", "checksums xmlns='http://owncloud.org/ns'").body.count(b"SHA1:") == 1


def test_a_library_that_cannot_be_read_loses_nothing(program: Program, library: Library) -> None:
    program("PUT", ":a", b"x")
    program("PROPPATCH", ":a", PATCH)
    directory = layout.find(library.pk)
    directory.rename(directory.with_name("away"))
    assert forget_gone() == 0
    assert Property.objects.exists()
