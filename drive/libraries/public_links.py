"""Public links: whoever knows the address reads one file or one folder, without an account.

No address is stored. It is made of the row's id and a code of it under the site's SECRET_KEY, so owners can copy it
again whenever they like, and whoever gets hold of the database, or of a backup, cannot open a single link. An old key
in SECRET_KEY_FALLBACKS keeps the links made under it alive.

A link names a path; it does not follow renames. It ends when it is revoked, when its time is over, when its library is
deleted, and when whoever made it is deactivated or could not make it any more.
"""

import logging
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from collabs.models import Role
from drive.models import Library, PublicLink
from drive.storage import NotFoundError, StorageError, WrongPathError, open_library, path_codec, shown
from portal import audit
from portal.access import ForbiddenError
from portal.models import User
from portal.prepared_queries import prepared

from .access import get_library
from .link_secrets import LinkSecrets

log = logging.getLogger(__name__)

SECRETS = LinkSecrets("drive.links", cookie="link")


# Addresses


def token(link: PublicLink) -> str:
    """Token in the link's URL: its id and a code of it under the SECRET_KEY, in base64."""
    return SECRETS.token(link.pk)


def address(link: PublicLink) -> str:
    """The address to give away."""
    return settings.PORTAL_URL + reverse("link", args=[token(link)])


def find(text: str) -> PublicLink | None:
    """The open link of a token; None for whatever is wrong with it, without a difference that could be told."""
    link_id = SECRETS.read(text)
    return next(iter(_open(link=link_id, now=timezone.now())), None) if link_id else None


@prepared
def _open(link: UUID, now: datetime) -> QuerySet[PublicLink]:
    """A link that lets visitors in: asked for with every page and file of it."""
    return PublicLink.objects.open(now).filter(pk=link).select_related("library__owner_user", "library__owner_collab")


# Making and revoking


def may_link(user: User, library: Library) -> bool:
    """Owners may; of a Collab's library its administrators."""
    if library.owner_collab_id and library.owner_collab:
        return library.owner_collab.role_of(user) == Role.ADMINISTRATOR
    return user.is_active and library.owner_user_id == user.pk


def linkable_library(user: User, library_id: UUID) -> Library:
    """The library, for a person who may make public links to it; ForbiddenError, or what `get_library` raises."""
    library, entry = get_library(user, library_id)
    if not may_link(user, library):
        raise ForbiddenError(
            gettext("Only the owner of a library, or administrators of its Collab, can create public links. %(reason)s")
            % {"reason": entry.reason}
        )
    return library


@transaction.atomic
def make_link(
    actor: User, library: Library, path: str, *, password: str = "", expires_at: datetime | None = None
) -> PublicLink:
    """A new link to a file or folder, "" for the whole library. NotFoundError when there is neither at the path."""
    row = Library.objects.select_for_update().get(pk=library.pk)
    if row.deleted_at or not may_link(actor, row):
        raise ValidationError(
            gettext("Only the owner of a library, or administrators of its Collab, can create public links.")
        )
    if shown(path) != path:
        raise WrongPathError(gettext("This name is not valid UTF-8. Please rename it first."))
    with open_library(row) as files:
        kind = files.stat(path).kind
    if kind not in ("file", "folder"):
        raise NotFoundError(gettext("Only files and folders can be shared."))
    link = PublicLink(library=row, path=path_codec.to_row(path), is_folder=kind == "folder", created_by=actor)
    link.password, link.expires_at = make_password(password) if password else "", expires_at
    link.save()
    until = expires_at.isoformat() if expires_at else None
    audit.record(actor, "link.made", row, link=str(link.pk), path=link.path, until=until, password=bool(password))
    return link


@transaction.atomic
def change_link(actor: User, link: PublicLink, *, expires_at: datetime | None, password: str | None = None) -> None:
    """Give a link another end and, unless None, another password ("" for none), which visitors then have to give anew.

    ValidationError for a link that was revoked.
    """
    values: dict[str, object] = {"expires_at": expires_at}
    if password is not None:
        values["password"] = make_password(password) if password else ""
    if not PublicLink.objects.filter(pk=link.pk, revoked_at=None).update(**values):
        raise ValidationError(gettext("This link was revoked."))
    until = expires_at.isoformat() if expires_at else None
    audit.record(
        actor, "link.changed", link.library, link=str(link.pk), until=until, password=password is not None and "changed"
    )


@transaction.atomic
def revoke_link(actor: User | None, link: PublicLink) -> bool:
    """End a link at once, for good; False when that was done before."""
    if not PublicLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.record(actor, "link.revoked", link.library, link=str(link.pk), path=link.path)
    return True


# Coming through one


def note_use(link: PublicLink) -> None:
    """Count that a page or file was opened."""
    try:
        PublicLink.objects.filter(pk=link.pk).update(uses=F("uses") + 1, last_used_at=timezone.now())
    except DatabaseError:
        log.warning("a use of link %s was not counted", link.pk, exc_info=True)  # what it leads to is being sent


def leads_somewhere(link: PublicLink) -> bool:
    """True if the link's file or folder exists."""
    try:
        with open_library(link.library) as files:
            kind = files.stat(path_codec.from_row(link.path)).kind
    except StorageError:
        return False
    return kind == ("folder" if link.is_folder else "file")
