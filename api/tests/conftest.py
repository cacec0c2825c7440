"""Programs: `program(user)` sends requests with a token of the person's; `world` has one of everything."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from api.models import Scope
from api.services import create_token
from collabs import invitations
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from drive.libraries import public_links, upload_links
from drive.libraries import services as drive_services
from drive.models import Permission, Version
from drive.storage import layout
from drive.versions import records, trash
from groups import services as group_services
from lab.models import Environment
from portal.models import User

Program = Callable[..., Client]


@pytest.fixture
def program() -> Program:
    """A client with a new token of a person's; all scopes unless some are named."""

    def make(user: User, *scopes: Scope) -> Client:
        _token, secret = create_token(user, name="test", scopes=scopes or tuple(Scope), days=1)
        return Client(headers={"Authorization": f"Bearer {secret}"})

    return make


@pytest.fixture
def world(
    collab: Collab, public_collab: Collab, owner: User, viewer: User, person: Any, settings: Settings
) -> dict[str, object]:
    """One of everything. Returns what stands in braces in the table."""
    settings.DRIVE_USE_ACCEL = False
    institute = group_services.create_group(owner, name="Institute")
    inner = group_services.create_group(owner, name="Inner")
    group_services.create_group(owner, name="Outer")
    group_services.nest(owner, institute, inner)
    group_services.add_person(owner, institute, person("ingroup"))
    for place in (collab, public_collab):
        collab_services.give_group_role(owner, place, institute, Role.VIEWER)
    gone = collab_services.create_collab(owner, title="Gone")
    collab_services.delete_collab(owner, gone)
    own = drive_services.create_library(owner, "Own")
    share = drive_services.share_with_person(owner, own, viewer, Permission.READ)
    deleted = drive_services.create_library(owner, "Deleted")
    drive_services.delete_library(owner, deleted)
    invitation, token = invitations.invite_by_link(owner, collab, Role.VIEWER, uses=100)
    Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    reset_files(collab)
    operations.write(owner, collab.library, "gone.txt", b"g")
    trashed = trash.vanished(collab.library, "gone.txt", records.within(collab.library, "gone.txt"))
    reset_files(collab)
    operations.write(owner, collab.library, "a.txt", b"a")
    return {
        "lib": collab.library.pk,
        "own": own.pk,
        "deleted": deleted.pk,
        "share": share.pk,
        "invitation": invitation.pk,
        "token": token,
        "version": Version.objects.get(file__path="a.txt").pk,
        "link": public_links.make_link(owner, collab.library, "a.txt").pk,
        "upload_link": upload_links.make_link(owner, collab.library, "sent", title="Homework", max_bytes=10**6).pk,
        "trashed": trashed.pk if trashed else None,
    }


def reset_files(collab: Collab) -> None:
    """The rows are rolled back after each request, the disk is not."""
    place = layout.find(collab.library.pk)
    for path in place.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    (place / "a.txt").write_bytes(b"a")
