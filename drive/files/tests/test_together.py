"""Files that several people edit together: saves, their versions, and who is named."""

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from drive.files import operations, together
from drive.libraries.quota import OverQuotaError
from drive.models import File, Library, Quota, Version, Via
from drive.storage import ChangedError, LibraryFiles, NotFoundError, open_library
from drive.tasks import capture_waiting
from drive.versions import history, scan, store
from portal.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def row(library: Library, files: LibraryFiles, place: Path) -> File:
    """A notebook that a Lab has made, and nobody has seen yet."""
    (place / "a.ipynb").write_text("one")
    return together.known_file(library, "a.ipynb", files)


def save(row: File, content: bytes, authors: Iterable[User], if_match: str = "") -> File:
    with open_library(row.library) as files:
        match = if_match or files.stat("a.ipynb").etag
        _entry, handle = together.save(row, content, files, if_match=match, authors=[user.pk for user in authors])
    os.close(handle)
    return row


def names(row: File) -> list[str]:
    """Who made each version, newest first, as the page names them."""
    versions = history.versions_of(row.library, "a.ipynb")
    return [history.authors(version) for version in history.with_contributors(versions)]


def contents(row: File) -> list[bytes]:
    return [store.open_object(one.sha256).read() for one in history.versions_of(row.library, "a.ipynb")]


def test_opening_a_file_makes_no_version_and_leaves_its_author_to_the_scan(
    row: File, library: Library, editor: User, files: LibraryFiles
) -> None:
    assert capture_waiting() == 0
    scan.scan(library, editor)
    assert together.known_file(library, "a.ipynb", files) == row
    assert names(row) == ["Emil Editor in the Lab"]
    with pytest.raises(NotFoundError):
        together.known_file(library, "none.txt", files)


def test_saves_make_no_version_until_their_time_has_come(row: File, owner: User, editor: User) -> None:
    save(row, b"two", [owner])
    due = File.objects.get(pk=row.pk).capture_after
    save(row, b"three", [editor])
    assert capture_waiting() == 0
    scan.scan(row.library, None)
    assert contents(row) == []
    row.refresh_from_db()
    assert row.capture_after == due
    File.objects.update(capture_after=timezone.now() - timedelta(seconds=1))
    assert capture_waiting() == 1
    assert contents(row) == [b"three"]
    assert names(row) == ["Olga Owner and Emil Editor"]
    assert File.objects.get(pk=row.pk).capture_after is None


def test_saves_from_before_the_clock_was_set_back_make_a_version(row: File, owner: User) -> None:
    save(row, b"two", [owner])
    File.objects.update(capture_after=timezone.now() + timedelta(days=1))
    assert capture_waiting() == 1
    assert contents(row) == [b"two"]


def test_a_version_names_all_who_typed_since_the_one_before(row: File, owner: User, editor: User, viewer: User) -> None:
    save(row, b"two", [owner, editor])
    together.keep(row, b"two", authors=[owner.pk, editor.pk, viewer.pk], held_by=row.signature)
    save(row, b"three", [editor])
    together.keep(row, b"three", authors=[editor.pk], held_by=row.signature)
    assert names(row) == ["Emil Editor", "Olga Owner, Emil Editor and Vera Viewer"]
    assert capture_waiting() == 0
    assert File.objects.get(pk=row.pk).is_captured


def test_a_version_of_what_is_not_there_any_more_leaves_what_is_to_be_captured(row: File, owner: User) -> None:
    save(row, b"two", [owner])
    before = row.signature
    save(row, b"three", [owner])
    together.keep(row, b"two", authors=[owner.pk], held_by=before)
    assert not File.objects.get(pk=row.pk).is_captured


def test_what_nobody_here_wrote_is_a_labs_and_kept_once(row: File) -> None:
    together.keep(row, b"from outside", authors=[])
    together.keep(row, b"from outside", authors=[])
    assert names(row) == ["a Lab"]


def test_what_the_web_has_written_is_not_kept_again(row: File, owner: User, library: Library) -> None:
    operations.write(owner, library, "a.ipynb", b"typed on a page")
    row.refresh_from_db()
    together.keep(row, b"typed on a page", authors=[], held_by=row.signature)
    assert names(row)[0] == "Olga Owner"
    assert len(contents(row)) == 2  # the other: what was there before


def test_what_another_door_replaces_is_a_version_of_those_who_typed(row: File, owner: User, editor: User) -> None:
    save(row, b"two", [owner, editor])
    operations.write(owner, row.library, "a.ipynb", b"uploaded")
    assert contents(row) == [b"uploaded", b"two"]
    assert names(row) == ["Olga Owner", "Olga Owner and Emil Editor"]


def test_a_save_over_another_version_changes_nothing(row: File, owner: User, place: Path) -> None:
    with open_library(row.library) as files:
        before = files.stat("a.ipynb").etag
    (place / "a.ipynb").write_text("by a notebook")
    with pytest.raises(ChangedError):
        save(row, b"two", [owner], if_match=before)
    assert (place / "a.ipynb").read_text() == "by a notebook"
    assert not File.objects.get(pk=row.pk).contributors.exists()


def test_a_save_counts_for_the_quota_and_is_held_against_it(row: File, owner: User, library: Library) -> None:
    before = Library.objects.get(pk=library.pk).used_bytes
    save(row, b"x" * 103, [owner])
    assert Library.objects.get(pk=library.pk).used_bytes == before + 100
    Quota.objects.create(collab=library.owner_collab, max_bytes=before + 100)
    with pytest.raises(OverQuotaError):
        save(row, b"x" * 200, [owner])
    save(row, b"less", [owner])
    assert Library.objects.get(pk=library.pk).used_bytes == before + 1


def test_the_page_names_them_by_one_query_more_however_many(
    row: File, owner: User, editor: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        text = f"save {number}".encode()
        save(row, text, [owner, editor])
        together.keep(row, text, authors=[owner.pk, editor.pk], held_by=row.signature)
    versions = list(history.versions_of(row.library, "a.ipynb"))
    with django_assert_num_queries(2):  # contributors, and people
        history.with_contributors(versions)
    Version.objects.update(via=Via.WEB)
    versions = list(history.versions_of(row.library, "a.ipynb"))
    with django_assert_num_queries(0):
        history.with_contributors(versions)
    Version.objects.update(via=Via.TOGETHER)
    client.force_login(owner)
    page = client.get(f"/drive/{row.library.pk}/a.ipynb?show=versions").content.decode()
    assert page.count("<td>Olga Owner and Emil Editor</td>") == 3
    found = client.get(f"/api/v1/libraries/{row.library.pk}/versions?path=a.ipynb").json()["items"]
    assert [item["contributors"] for item in found] == [["owner", "editor"]] * 3
