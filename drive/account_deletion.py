"""Deletion of an account: its libraries, shares and links."""

from typing import Any

from django.utils.translation import gettext

from portal.accounts.deletion import Belonging
from portal.models import User

from .libraries import services
from .models import Library, Permission, PublicLink, ReceivedFile, Share, UploadLink

DELETE = "delete"
MOST_NAMED = 50


def belongings(user: User) -> list[Belonging]:
    """Libraries that others see: one of them takes it over, or it is deleted. Others are deleted without asking."""
    return [
        Belonging(_key(library), library.name, gettext("Others see this library of yours."), _choices(library))
        for library in _libraries(user)
        if library.is_public or library.shares.exists()
    ]


def _libraries(user: User) -> list[Library]:
    return list(Library.objects.filter(owner_user=user, deleted_at=None).order_by("name_key"))


def _key(library: Library) -> str:
    return f"library-{library.pk}"


def _choices(library: Library) -> list[tuple[str, str]]:
    rows = library.shares.filter(user__is_active=True, permission=Permission.WRITE).select_related("user")
    people = [share.user for share in rows[:MOST_NAMED] if share.user]
    return [
        (DELETE, gettext("Delete it; it vanishes for everybody")),
        *(
            (
                person.username,
                gettext("%(display_name)s (%(username)s) becomes its owner")
                % {"display_name": person.display_name, "username": person.username},
            )
            for person in people
        ),
    ]


def leave(user: User, answers: dict[str, str]) -> None:
    """Hand over or delete. What others shared with the person is theirs alone again."""
    for library in _libraries(user):
        answer = answers.get(_key(library), DELETE)
        if answer != DELETE:
            services.transfer_library(user, library, User.objects.get(username=answer))
    for library in _libraries(user):
        services.delete_library(user, library, leaving=True)
    for share in Share.objects.filter(user=user).select_related("library"):
        services.unshare(user, share)


def export(user: User) -> dict[str, Any]:
    """Libraries, whose files are downloaded as zips, and what is shared with whom."""
    mine = Library.objects.filter(owner_user=user).values("id", "name", "is_public", "created_at", "deleted_at")
    given = Share.objects.filter(library__owner_user=user)
    got = Share.objects.filter(user=user)
    columns = ("library__name", "user__username", "collab__title", "permission", "created_at")
    shares = {"given": list(given.values(*columns)), "received": list(got.values(*columns))}
    return {"libraries.json": list(mine), "shares.json": shares, "links.json": _links(user)}


def _links(user: User) -> dict[str, Any]:
    """Links that the person made, without their secrets, and what was uploaded through them."""
    both = ("library__name", "path", "created_at", "expires_at", "revoked_at")
    public = PublicLink.objects.filter(created_by=user).values(*both, "uses", "last_used_at")
    upload = UploadLink.objects.filter(created_by=user).values(*both, "title", "message", "max_bytes")
    received = ReceivedFile.objects.filter(link__created_by=user)
    files = received.values("link__title", "name", "sender", "size", "begun_at", "arrived_at")
    return {"public links": list(public), "upload links": list(upload), "uploaded through them": list(files)}
