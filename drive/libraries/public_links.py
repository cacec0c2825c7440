"""Public links: whoever knows the address reads one file or one folder, without an account.

No address is stored. It is made of the row's id and a code of it under the site's SECRET_KEY, so owners can copy it
again whenever they like, and whoever gets hold of the database, or of a backup, cannot open a single link. An old key
in SECRET_KEY_FALLBACKS keeps the links made under it alive.

A link names a path; it does not follow renames. It ends when it is revoked, when its time is over, when its library is
deleted, and when whoever made it is deactivated or could not make it any more.
"""

import base64
import binascii
import hmac
import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from collabs.models import Role
from drive.models import Library, PublicLink
from drive.storage import NotFoundError, StorageError, WrongPathError, open_library, path_codec, shown
from portal import audit
from portal.access import ForbiddenError
from portal.models import User
from portal.prepared_queries import prepared
from portal.web import rate_limits

from .access import get_library

log = logging.getLogger(__name__)

SALT = "drive.links"
CODE = 16
"""Bytes of the code: nobody tries 2¹²⁸."""
COOKIE = "link"
REMEMBERED = 24 * 3600
"""Seconds for which a browser need not give the password again."""
TRIES_PER_ADDRESS, ADDRESS_SECONDS = 10, 300
TRIES_PER_LINK, LINK_SPAN = 100, timedelta(hours=1)
"""Passwords that can be tried from one network address, and of one link from everywhere."""


class TooManyTriesError(Exception):
    """Passwords were tried too often."""


# Addresses


def _code(link_id: UUID, key: str | bytes) -> bytes:
    return salted_hmac(SALT, link_id.bytes, secret=key, algorithm="sha256").digest()[:CODE]


def token(link: PublicLink) -> str:
    """Token in the link's URL: its id and a code of it under the SECRET_KEY, in base64."""
    code = _code(link.pk, settings.SECRET_KEY)
    return _encoded(link.pk.bytes + code)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def address(link: PublicLink) -> str:
    """The address to give away."""
    return settings.PORTAL_URL + reverse("link", args=[token(link)])


def find(text: str) -> PublicLink | None:
    """The open link of a token; None for whatever is wrong with it, without a difference that could be told.

    A token has one spelling: decoders take more, such as other bits at the end, or characters that they skip.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "==")
    except (binascii.Error, ValueError):
        return None
    link_id, code = raw[:16], raw[16:]
    if len(code) != CODE or _encoded(raw) != text:
        return None
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(hmac.compare_digest(_code(UUID(bytes=link_id), key), code) for key in keys):
        return None
    return next(iter(_open(link=UUID(bytes=link_id), now=timezone.now())), None)


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
def revoke_link(actor: User, link: PublicLink) -> bool:
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


def try_password(request: HttpRequest, link: PublicLink, password: str) -> bool:
    """Check a password of a link. TooManyTriesError, whatever the password, after too many wrong ones."""
    whence = f"{link.pk} {rate_limits.address(request)}"
    if not rate_limits.allowed("link-password", whence, TRIES_PER_ADDRESS, ADDRESS_SECONDS) or not _take_try(link):
        raise TooManyTriesError
    if not check_password(password, link.password):
        return False
    PublicLink.objects.filter(pk=link.pk, wrong_tries__gt=0).update(wrong_tries=F("wrong_tries") - 1)
    rate_limits.undo("link-password", whence, ADDRESS_SECONDS)  # a class has one address
    return True


def _take_try(link: PublicLink) -> bool:
    """Count a try before the password is looked at: of many at once no more are let through either."""
    now = timezone.now()
    rows = PublicLink.objects.filter(pk=link.pk)
    rows.filter(Q(wrong_since=None) | Q(wrong_since__lt=now - LINK_SPAN)).update(wrong_tries=0, wrong_since=now)
    return bool(rows.filter(wrong_tries__lt=TRIES_PER_LINK).update(wrong_tries=F("wrong_tries") + 1))


def _proof(link: PublicLink) -> str:
    """Ends with the password: another one is asked for anew."""
    return f"{link.pk} {link.password}"


def remember(response: HttpResponse, link: PublicLink, base: str) -> None:
    """The browser has given the password: a cookie for this link's addresses alone says so."""
    value = signing.dumps(salted_hmac(SALT, _proof(link), algorithm="sha256").hexdigest(), salt=SALT)
    response.set_cookie(
        COOKIE,
        value,
        max_age=REMEMBERED,
        path=base,
        httponly=True,
        secure=settings.HTTPS,
        samesite="Lax",
    )


def is_remembered(request: HttpRequest, link: PublicLink) -> bool:
    """True if this browser has given the password."""
    try:
        said = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=REMEMBERED)
    except signing.BadSignature:
        return False
    return hmac.compare_digest(str(said), salted_hmac(SALT, _proof(link), algorithm="sha256").hexdigest())


def leads_somewhere(link: PublicLink) -> bool:
    """True if the link's file or folder exists."""
    try:
        with open_library(link.library) as files:
            kind = files.stat(path_codec.from_row(link.path)).kind
    except StorageError:
        return False
    return kind == ("folder" if link.is_folder else "file")
