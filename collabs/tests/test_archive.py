"""The archive: everybody keeps reading, nobody writes, the directory does not list it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from collabs import services
from collabs.models import Collab
from drive.folders import Folder
from drive.libraries import services as drive_services
from drive.libraries.audience import people, with_routes
from drive.libraries.visibility import entries
from drive.models import Permission
from lab.servers.mounts import mounts_of
from portal.access import access_changed
from portal.models import AuditEntry, User

SignIn = Callable[[User], Client]


@pytest.fixture
def told() -> Iterator[list[frozenset[int]]]:
    """Whose access changed, as running Labs are told."""
    heard: list[frozenset[int]] = []
    listener = lambda sender, user_ids, **_: heard.append(user_ids)  # noqa: E731
    access_changed.connect(listener, weak=False)
    yield heard
    access_changed.disconnect(listener)


def rights(user: User, collab: Collab) -> set[tuple[str, str]]:
    return {(str(entry.folder), entry.permission) for entry in entries(user, library=collab.library.pk)}


def test_it_makes_the_files_read_only_for_all_and_back(
    collab: Collab, owner: User, editor: User, viewer: User, told: list[frozenset[int]]
) -> None:
    services.archive_collab(owner, collab)
    assert told == [frozenset({owner.pk, editor.pk, viewer.pk})]
    for user in (owner, editor, viewer):
        assert rights(user, collab) == {("Shared with groups", "r")}
        [mount] = [mount for mount in mounts_of(user) if mount.library_id == collab.library.pk]
        assert mount.mode == "ro"
    [entry] = entries(editor, library=collab.library.pk)
    assert entry.reason == "You belong to its Collab, which is archived."
    assert not any(reader.may_write for reader in with_routes(owner, collab.library, people(owner, collab.library)))
    services.unarchive_collab(owner, collab)
    assert len(told) == 2
    assert rights(editor, collab) == {("Shared with groups", "rw")}
    assert rights(viewer, collab) == {("Shared with groups", "r")}


def test_it_ends_writing_by_way_of_the_team_but_not_by_others(
    collab: Collab, owner: User, editor: User, viewer: User
) -> None:
    library = drive_services.create_library(viewer, "Data")
    drive_services.share_with_team(viewer, library, collab, Permission.WRITE)
    drive_services.share_with_person(viewer, library, editor, Permission.WRITE)
    services.archive_collab(owner, collab)
    [entry] = entries(owner, library=library.pk)
    assert (entry.permission, entry.reason) == ("r", "It is shared with the team of Cortex, which is archived.")
    assert {entry.permission for entry in entries(viewer, library=library.pk, folders=[Folder.MINE])} == {"rw"}
    assert {(str(entry.folder), entry.permission) for entry in entries(editor, library=library.pk)} == {
        ("Shared with me", "rw"),
        ("Shared with groups", "r"),
    }


@pytest.mark.parametrize("form", [{"do": "create", "kind": "text", "name": "a"}, {"do": "upload"}, {"do": "delete"}])
def test_it_refuses_to_write_on_the_web(collab: Collab, owner: User, sign_in: SignIn, form: dict[str, str]) -> None:
    services.archive_collab(owner, collab)
    client = sign_in(owner)
    for base in (f"{collab.get_absolute_url()}files/", f"/drive/{collab.library.pk}/"):
        assertContains(client.post(base, form), "which is archived", status_code=403)
        assert client.put(f"{base}new.txt", b"x", content_type="text/plain").status_code == 403
        assertNotContains(client.get(base), 'value="create"')


def test_it_refuses_other_settings_until_it_is_restored(collab: Collab, owner: User, sign_in: SignIn) -> None:
    services.archive_collab(owner, collab)
    for change in ({"title": "Other"}, {"description": "Other"}, {"is_public": True}, {"tags": ["other"]}):
        values: dict[str, Any] = {"title": "Cortex", "description": "", "is_public": False, "tags": []} | change
        with pytest.raises(services.ArchivedError):
            services.update_collab(owner, collab, **values)
    address = f"{collab.get_absolute_url()}settings/"
    assertContains(sign_in(owner).post(address, {"title": "Other"}), "is archived", status_code=422)
    collab.refresh_from_db()
    assert (collab.title, collab.tags.count()) == ("Cortex", 0)


def test_it_lets_people_leave_and_administrators_delete(collab: Collab, owner: User, viewer: User) -> None:
    services.archive_collab(owner, collab)
    services.leave(viewer, collab)
    services.delete_collab(owner, collab)
    services.restore_collab(owner, collab)
    collab.refresh_from_db()
    assert collab.archived_at  # it comes back as it was
    assert rights(owner, collab) == {("Shared with groups", "r")}


@pytest.mark.slow
def test_it_is_in_the_directory_on_request_only(
    public_collab: Collab, collab: Collab, owner: User, stranger: User, client: Client, sign_in: SignIn
) -> None:
    services.archive_collab(owner, public_collab)
    services.archive_collab(owner, collab)
    for browser in (client, sign_in(owner), sign_in(stranger)):
        for address in ("/", "/collabs/", "/collabs/?mine=on", "/collabs/?q=cortex"):
            assertNotContains(browser.get(address), "/collabs/open-cortex/")
        assertContains(browser.get("/collabs/?archived=on"), "/collabs/open-cortex/")
        assertContains(browser.get(public_collab.get_absolute_url()), "This Collab was archived on")
    assertContains(sign_in(owner).get("/collabs/?archived=on"), "/collabs/cortex/")
    assertNotContains(sign_in(stranger).get("/collabs/?archived=on"), "/collabs/cortex/")


def test_it_is_done_and_undone_on_the_settings_page(collab: Collab, owner: User, sign_in: SignIn) -> None:
    base, client = f"{collab.get_absolute_url()}settings/", sign_in(owner)
    assertContains(client.get(base), "Archive the Collab")
    assertContains(client.post(f"{base}archive/", follow=True), "Cortex was archived.")
    assertContains(client.get(base), "Restore the Collab")
    assertContains(client.post(f"{base}unarchive/", follow=True), "Cortex was restored from the archive.")
    verbs = AuditEntry.objects.filter(verb__in=["collab.archived", "collab.unarchived"]).order_by("pk")
    assert [entry.verb for entry in verbs] == ["collab.archived", "collab.unarchived"]


def test_it_does_nothing_twice(collab: Collab, owner: User, told: list[frozenset[int]]) -> None:
    for _ in range(2):
        services.archive_collab(owner, collab)
    since = Collab.objects.get(pk=collab.pk).archived_at
    services.archive_collab(owner, collab)
    assert Collab.objects.get(pk=collab.pk).archived_at == since
    for _ in range(2):
        services.unarchive_collab(owner, collab)
    assert len(told) == 2


def test_it_archives_nothing_that_was_deleted(collab: Collab, owner: User) -> None:
    services.delete_collab(owner, collab)
    with pytest.raises(ValidationError, match="was deleted"):
        services.archive_collab(owner, collab)
