"""Which file a path in somebody's Lab or Drive leads to, and with which right: the rules are the Drive's."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab
from drive.libraries import services as drive_services
from drive.libraries.visibility import entries
from drive.models import Library, Permission
from drive.storage import layout
from portal.models import User
from rooms.access import Place, RefusedError, in_drive, in_lab

pytestmark = pytest.mark.django_db

GROUPS = "drive/Shared with groups/Cortex/notes.txt"


def status(user: User, path: str) -> int:
    """Why it is refused, as a status of HTTP; 200 if it is not."""
    try:
        in_lab(user, path)
    except RefusedError as error:
        return error.status
    return 200


def test_members_reach_it_with_the_right_of_their_role(
    library: Library, place: Path, owner: User, editor: User, viewer: User
) -> None:
    assert in_lab(owner, GROUPS) == Place(library, "notes.txt", may_write=True)
    assert in_lab(editor, GROUPS).may_write
    assert not in_lab(viewer, GROUPS).may_write
    assert in_drive(viewer, library.pk, "notes.txt") == in_lab(viewer, GROUPS)


def test_it_is_the_same_file_under_every_folder_with_the_most_of_all_rights(owner: User, editor: User) -> None:
    mine = drive_services.create_library(owner, "Data")
    (layout.find(mine.pk) / "a.txt").write_text("a")
    drive_services.share_with_person(owner, mine, editor, Permission.READ)
    assert in_lab(owner, "drive/My Libraries/Data/a.txt") == Place(mine, "a.txt", may_write=True)
    [shared] = entries(editor, library=mine.pk)
    assert in_lab(editor, f"drive/{shared.lab_path('a.txt')}") == Place(mine, "a.txt", may_write=False)


def test_a_member_of_a_public_collab_has_it_twice_and_may_write_by_both(public_collab: Collab, editor: User) -> None:
    (layout.find(public_collab.library.pk) / "a.txt").write_text("a")
    found = [
        in_lab(editor, f"drive/{folder}/Open Cortex/a.txt") for folder in ("Shared with groups", "Shared with all")
    ]
    assert found == [Place(public_collab.library, "a.txt", may_write=True)] * 2


def test_strangers_read_what_is_public_and_find_nothing_else(
    place: Path, public_collab: Collab, stranger: User, library: Library
) -> None:
    (layout.find(public_collab.library.pk) / "a.txt").write_text("a")
    assert not in_lab(stranger, "drive/Shared with all/Open Cortex/a.txt").may_write
    assert status(stranger, GROUPS) == 404
    with pytest.raises(RefusedError) as error:
        in_drive(stranger, library.pk, "notes.txt")
    assert error.value.status == 404
    with pytest.raises(RefusedError):
        in_drive(stranger, uuid4(), "notes.txt")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "notes.txt",
        "drive",
        "drive/Shared with groups",
        "drive/Shared with groups/Cortex",
        "drive/Shared with groups/Cortex/",
        "drive/Shared with groups/Cortex/none.txt",
        "drive/Shared with groups/Cortex/../Cortex/notes.txt",
        "drive/Shared with groups/Cortex//notes.txt",
        "drive/Shared with groups/Cortex/\0",
        "drive/Shared with all/Cortex/notes.txt",
        "drive/My Libraries/Cortex/notes.txt",
        "drive/Elsewhere/Cortex/notes.txt",
        "/drive/Shared with groups/Cortex/notes.txt",
        "home/Shared with groups/Cortex/notes.txt",
    ],
)
def test_other_paths_lead_nowhere(place: Path, owner: User, path: str) -> None:
    assert status(owner, path) == 404


def test_links_folders_and_large_files_are_not_edited_together(place: Path, owner: User, settings: Settings) -> None:
    (place / "link").symlink_to("notes.txt")
    (place / "folder").mkdir()
    settings.COEDITING_MAX_BYTES = 3
    for name in ("link", "folder", "notes.txt"):
        assert status(owner, f"drive/Shared with groups/Cortex/{name}") == 409


def test_it_is_switched_off_for_a_site_and_for_a_collab(
    place: Path, owner: User, collab: Collab, settings: Settings
) -> None:
    values: dict[str, Any] = {"title": collab.title, "description": "", "is_public": False}
    collab_services.update_collab(owner, collab, **values, coediting=False)
    assert status(owner, GROUPS) == 404
    collab_services.update_collab(owner, collab, **values, coediting=True)
    assert status(owner, GROUPS) == 200
    settings.COEDITING = False
    assert status(owner, GROUPS) == 404
