"""Upload links: whoever knows the address uploads files into one folder, without an account, and sees nothing of it.

Addresses and passwords are as those of public links, with a salt of their own. A link is made by whoever may write in
its library. It ends when it is revoked, when its time is over, when its library is deleted or transferred, and when
whoever made it is deactivated or may not write there any more: at once, also for what is on its way.

A link never leads to the whole library: a README.md at its top is the Collab's page, and other names there have a
meaning too.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from drive.models import Library, Permission, UploadLink
from drive.storage import WrongPathError, open_library, path_codec, promises, shown
from drive.storage.names import has_hidden
from portal import audit
from portal.models import User

from .access import get_library
from .link_secrets import LinkSecrets
from .permissions import permissions

SECRETS = LinkSecrets("drive.upload_links", cookie="upload_link")
CHANGEABLE = ("title", "message", "asks_name", "expires_at", "max_file_bytes", "max_bytes")


# Addresses


def token(link: UploadLink) -> str:
    """Token in the link's URL."""
    return SECRETS.token(link.pk)


def address(link: UploadLink) -> str:
    """The address to give away."""
    return settings.PORTAL_URL + reverse("upload_link", args=[token(link)])


def find(text: str) -> UploadLink | None:
    """The open link of a token; None for whatever is wrong with it, without a difference that could be told."""
    link_id = SECRETS.read(text)
    rows = UploadLink.objects.select_related("library__owner_user", "library__owner_collab", "created_by")
    found = rows.filter(pk=link_id).first() if link_id else None
    return found if found and open_ones([found]) else None


def open_ones(links: Iterable[UploadLink]) -> set[UUID]:
    """Ids of those of these links that take files now; a number of queries that does not grow with theirs."""
    now = timezone.now()
    rows = [row for row in links if row.revoked_at is None and (row.expires_at is None or row.expires_at > now)]
    given = permissions((row.created_by_id, row.library_id) for row in rows)
    return {row.pk for row in rows if given.get((row.created_by_id, row.library_id)) == Permission.WRITE}


def with_received(rows: QuerySet[UploadLink]) -> QuerySet[UploadLink]:
    """The same links with how many files have arrived (`files`, `bytes`), and when the last one did (`last_at`)."""
    there = Q(received__arrived_at__isnull=False)
    return rows.annotate(
        files=Count("received", filter=there),
        bytes=Sum("received__size", filter=there, default=0),
        last_at=Max("received__arrived_at"),
    ).order_by("-created_at", "-pk")


# Making and revoking


def linkable_library(user: User, library_id: UUID) -> Library:
    """The library, for a person who may make upload links in it; or what `get_library` raises."""
    return get_library(user, library_id, "rw")[0]


@transaction.atomic
def make_link(
    actor: User,
    library: Library,
    path: str,
    *,
    title: str,
    max_bytes: int,
    max_file_bytes: int | None = None,
    message: str = "",
    asks_name: bool = True,
    password: str = "",
    expires_at: datetime | None = None,
) -> UploadLink:
    """A new link to a folder, which is made where it is missing. Sizes in bytes."""
    row = Library.objects.select_for_update().get(pk=library.pk)
    if permissions([(actor.pk, row.pk)]).get((actor.pk, row.pk)) != Permission.WRITE:
        raise ValidationError(gettext("Only people who may write in a library can create upload links to it."))
    if not path:
        raise WrongPathError(gettext("Choose a folder: an upload link cannot lead to a whole library."))
    if shown(path) != path:
        raise WrongPathError(gettext("This name is not valid UTF-8. Please rename it first."))
    if has_hidden(path):
        raise WrongPathError(gettext("An upload link cannot lead to a hidden folder."))
    with open_library(row) as files:
        files.make_folders(path)
    link = UploadLink(library=row, path=path_codec.to_row(path), title=title, message=message, created_by=actor)
    link.asks_name, link.expires_at = asks_name, expires_at
    link.max_file_bytes, link.max_bytes = max_file_bytes, max_bytes
    link.password = make_password(password) if password else ""
    link.save()
    until = expires_at.isoformat() if expires_at else None
    audit.record(
        actor, "upload_link.made", row, link=str(link.pk), path=link.path, until=until, password=bool(password)
    )
    return link


@transaction.atomic
def change_link(actor: User, link: UploadLink, *, password: str | None = None, **values: object) -> None:
    """Give a link other values of CHANGEABLE and, unless None, another password ("" for none), which is asked for anew.

    ValidationError for a link that was revoked.
    """
    assert set(values) <= set(CHANGEABLE), values
    if password is not None:
        values["password"] = make_password(password) if password else ""
    if not UploadLink.objects.filter(pk=link.pk, revoked_at=None).update(**values):
        raise ValidationError(gettext("This link was revoked."))
    audit.record(actor, "upload_link.changed", link.library, link=str(link.pk), fields=sorted(values))


@transaction.atomic
def revoke_link(actor: User | None, link: UploadLink) -> bool:
    """End a link at once, for good; False when that was done before."""
    if not UploadLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    for upload_id in promises.of_link(str(link.pk)):
        promises.end(upload_id, promises.UPLOAD)
    audit.record(actor, "upload_link.revoked", link.library, link=str(link.pk), path=link.path)
    return True
