"""Changes to libraries: one transaction, an audit row, word to running servers; the disk follows on commit."""

import logging
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from collabs.models import Collab
from drive.models import Library, Permission, Quota, Share
from drive.storage import layout
from notices.models import Kind
from notices.services import notify
from portal import audit
from portal.access import send_access_changed
from portal.models import User

from . import naming, public_links, quota, upload_links
from .visibility import affected, reached_by

log = logging.getLogger(__name__)

DEFAULT_NAME = "My Library"


# What happens when people and Collabs come, change and go (PORTAL_HOOKS)


def open_my_library(user: User) -> None:
    """Everybody has `My Library` from sign-up."""
    _create(Library(owner_user=user, is_default=True), DEFAULT_NAME)


def open_collab_library(actor: User | None, collab: Collab) -> None:
    """A Collab has its library from the first second."""
    library = Library(owner_collab=collab, is_public=collab.is_public)
    _save_title(library, collab)


def follow_collab(actor: User | None, collab: Collab, changed: set[str]) -> None:
    """The library of a Collab has its title and its visibility."""
    library = Library.objects.select_for_update().get(owner_collab=collab)
    library.is_public = collab.is_public
    _save_title(library, collab)


def _save_title(library: Library, collab: Collab) -> None:
    naming.set_title(library, collab.title)
    try:
        with transaction.atomic():
            library.save()
    except IntegrityError as error:  # somebody took the name in this moment
        raise ValidationError({"title": gettext(naming.TITLE_TAKEN)}) from error
    _settle_on_commit(library)


def close_collab_library(actor: User | None, collab: Collab) -> None:
    """The library goes with its Collab."""
    _mark_deleted(Library.objects.get(owner_collab=collab))


def reopen_collab_library(actor: User | None, collab: Collab) -> None:
    """And comes back with it."""
    library = Library.objects.get(owner_collab=collab)
    library.deleted_at = None
    library.save(update_fields=["deleted_at"])
    _settle_on_commit(library)


# What owners do


@transaction.atomic
def create_library(actor: User, name: str) -> Library:
    """A new private library of one's own. ValidationError when one has a library of that name."""
    library = _create(Library(owner_user=actor), name)
    audit.record(actor, "library.created", library)
    send_access_changed([actor.pk])
    return library


def _create(library: Library, name: str) -> Library:
    naming.set_name(library, name)
    _save_name(library)
    _settle_on_commit(library)
    return library


def _save_name(library: Library) -> None:
    try:
        with transaction.atomic():
            library.save()
    except IntegrityError as error:
        raise ValidationError(gettext("You have a library with this name.")) from error


@transaction.atomic
def rename_library(actor: User, library: Library, name: str) -> None:
    """Give one's library another name; others see it under the new name too."""
    row = _lock(library)
    _check_persons(row)
    if row.is_default:
        raise ValidationError(gettext("“My Library” cannot be renamed."))
    before = row.name
    _give_name(row, name)
    audit.record(actor, "library.renamed", row, before=before, after=row.name)
    _settle_on_commit(row)
    send_access_changed(affected(row))


@transaction.atomic
def delete_library(actor: User, library: Library, *, leaving: bool = False) -> bool:
    """Hide one's library from everybody; kept for 30 days. My Library only when its owner is `leaving`.

    False if it was deleted before.
    """
    row = _lock(library)
    if row.owner_collab_id:
        raise ValidationError(gettext("A Collab's library is deleted together with its Collab."))
    if row.is_default and not leaving:
        raise ValidationError(gettext("“My Library” cannot be deleted."))
    if row.deleted_at:
        return False
    _mark_deleted(row)
    audit.record(actor, "library.deleted", row)
    return True


@transaction.atomic
def restore_library(actor: User, library: Library, name: str = "") -> bool:
    """Undo `delete_library`, under another name if one is given; False if it is not deleted.

    ValidationError when the owner has another library of that name by now, or when its removal has begun.
    """
    row = _lock(library)
    if row.removed_at:
        raise ValidationError(gettext("This library was deleted permanently."))
    if row.owner_collab_id:
        raise ValidationError(gettext("A Collab's library is restored together with its Collab."))
    if not row.deleted_at:
        return False
    row.deleted_at = None
    if name and naming.clean(name) != row.name:
        _give_name(row, name)
    else:
        _save_name(row)
    audit.record(actor, "library.restored", row)
    _settle_on_commit(row)
    send_access_changed(affected(row))
    return True


def _give_name(row: Library, name: str) -> None:
    """Another name for the owner, and for others if they see it."""
    naming.set_name(row, name)
    was_shared, row.shared_name, row.shared_key = row.shared_name, None, None
    _save_name(row)
    if was_shared:
        naming.publish_name(row)


@transaction.atomic
def transfer_library(
    actor: User | None, library: Library, new_owner: User, *, keep_access: bool = False, check_room: bool = False
) -> Library:
    """Give a person's library to another person, who sees it as `name (from …)` where they have one of that name.

    Shares stay, and so does the path of everybody who has it by one; public and upload links to it end. With
    `keep_access` the old owner can go on reading and writing. ValidationError when it would not fit into the new
    owner's quota and `check_room` asks. Whoever gives away My Library has a new one, empty.
    """
    row = _lock(library)
    _check_persons(row)
    old_owner = User.objects.get(libraries=row)
    if new_owner == old_owner:
        raise ValidationError(gettext("This person already owns the library."))
    if not new_owner.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    told, was_default = affected(row), row.is_default
    row.owner_user, row.is_default = new_owner, False
    if check_room:
        _check_room(row)
    _take_over(row, f" (from {old_owner.username})")
    row.shares.filter(user=new_owner).delete()
    for link in row.links.filter(revoked_at=None):
        public_links.revoke_link(actor, link)
    for upload_link in row.upload_links.filter(revoked_at=None):
        upload_links.revoke_link(actor, upload_link)
    audit.record(actor, "library.transferred", row, before=old_owner.username, after=new_owner.username)
    if was_default:
        open_my_library(old_owner)
    if keep_access:
        _share(actor, row, Permission.WRITE, user=old_owner)
    transferred = gettext_lazy("{person} transferred “{library}” to you")
    subject = format_lazy(transferred, person=old_owner.display_name, library=row.name)
    said = gettext_lazy("It counts against your quota. You can rename, share, transfer and delete it.")
    notify([new_owner], Kind.SHARE, subject=subject, text=said, url=row.get_absolute_url())
    send_access_changed(told | affected(row) | {old_owner.pk})
    return row


def _check_room(library: Library) -> None:
    try:
        quota.check(library, library.used_bytes, library.used_files)
    except quota.OverQuotaError as error:
        raise ValidationError(str(error)) from error


def _take_over(row: Library, suffix: str) -> None:
    """Save the library with its new owner, under the first name that is free among theirs."""
    name = row.name
    beside = f"{name[: naming.LONGEST_NAME - len(suffix)].strip(' .')}{suffix}"
    for candidate in [name, beside, f"Library {str(row.pk)[:8]}{suffix}"]:
        try:
            naming.set_name(row, candidate)
            _save_name(row)
        except ValidationError:
            continue
        return
    raise ValidationError(gettext("The new owner already has a library with this name. Please rename it first."))


def _mark_deleted(library: Library) -> None:
    library.deleted_at = timezone.now()
    library.save(update_fields=["deleted_at"])
    _settle_on_commit(library)
    send_access_changed(affected(library))


@transaction.atomic
def share_with_person(actor: User, library: Library, user: User, permission: Permission) -> Share:
    """Let a person see the library; sharing again changes the permission."""
    if user == library.owner_user:
        raise ValidationError(gettext("You already own this library."))
    if not user.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    share = _share(actor, library, permission, user=user)
    shares = gettext_lazy("{person} shares “{library}” with you")
    subject = format_lazy(shares, person=actor.display_name, library=library.name)
    may_write = share.permission == Permission.WRITE
    said = gettext_lazy("You can read and write it.") if may_write else gettext_lazy("You can read it.")
    notify([user], Kind.SHARE, subject=subject, text=said, url=library.get_absolute_url())
    return share


@transaction.atomic
def share_with_team(actor: User, library: Library, collab: Collab, permission: Permission) -> Share:
    """Let the team of a Collab see the library; sharing again changes the permission.

    The sharer belongs to the team: otherwise one could find out which Collabs there are, and fill others' Drives.
    """
    if collab.deleted_at:
        raise ValidationError(gettext("This Collab was deleted."))
    if not collab.role_of(actor):
        raise ValidationError(gettext("You can only share with teams that you belong to."))
    return _share(actor, library, permission, collab=collab)


def _share(actor: User | None, library: Library, permission: Permission, **target: Any) -> Share:
    row = _lock(library)
    _check_persons(row)
    naming.publish_name(row)
    share, _created = Share.objects.update_or_create(
        library=row, **target, defaults={"permission": permission, "created_by": actor}
    )
    audit.record(actor, "library.shared", row, permission=permission, **_whom(share))
    send_access_changed(reached_by(share))
    return share


@transaction.atomic
def change_share(actor: User, share: Share, permission: Permission) -> None:
    """Another permission for those whom a share is for. One that has ended stays ended."""
    library = _lock(share.library)
    if not Share.objects.filter(pk=share.pk).exclude(permission=permission).update(permission=permission):
        return
    audit.record(actor, "library.shared", library, permission=permission, **_whom(share))
    send_access_changed(reached_by(share))


@transaction.atomic
def unshare(actor: User | None, share: Share) -> None:
    """End a share; the owner does that, or the person it is for. One that has ended already stays ended."""
    library = _lock(share.library)
    deleted, _by_model = Share.objects.filter(pk=share.pk).delete()
    if not deleted:
        return
    audit.record(actor, "library.unshared", library, **_whom(share))
    send_access_changed(reached_by(share))


@transaction.atomic
def pass_on_share(actor: User | None, share: Share, user: User) -> bool:
    """Share with another account of the same person; False if that has as much already. The higher right counts."""
    library, permission = _lock(share.library), Permission(share.permission)
    unshare(actor, share)
    there = library.shares.filter(user=user).first()
    if user == library.owner_user or (there and permission in (there.permission, Permission.READ)):
        return False
    _share(actor, library, permission, user=user)
    return True


def _whom(share: Share) -> dict[str, str]:
    """Details of a share for the audit trail."""
    return {"user": str(share.user)} if share.user else {"collab": str(share.collab)}


@transaction.atomic
def set_public(actor: User, library: Library, is_public: bool) -> None:
    """Let everybody who is signed in read a person's library, or end that."""
    row = _lock(library)
    _check_persons(row)
    if row.is_public == is_public:
        return
    if is_public:
        naming.publish_name(row)
    row.is_public = is_public
    row.save(update_fields=["is_public"])
    audit.record(actor, "library.made_public" if is_public else "library.made_private", row)
    _settle_on_commit(row)  # running servers follow the disk: all public libraries are one mount


# What operators do


@transaction.atomic
def set_quota(actor: User | None, whose: User | Collab, max_bytes: int | None, max_files: int | None) -> bool:
    """Give a person or Collab another quota than everybody's; None: the site's default. False if it is that already."""
    wanted = {"max_bytes": max_bytes, "max_files": max_files}
    row, created = Quota.objects.get_or_create(**_quota_of(whose), defaults=wanted)
    if not created and (row.max_bytes, row.max_files) == (max_bytes, max_files):
        return False
    row.max_bytes, row.max_files = max_bytes, max_files
    row.full_clean()
    row.save()
    audit.record(actor, "quota.changed", whose, bytes=max_bytes, files=max_files)
    return True


@transaction.atomic
def remove_quota(actor: User | None, whose: User | Collab) -> bool:
    """Back to the site's default; False if it is that already."""
    removed, _by_model = Quota.objects.filter(**_quota_of(whose)).delete()
    if removed:
        audit.record(actor, "quota.removed", whose)
    return bool(removed)


def _quota_of(whose: User | Collab) -> dict[str, Any]:
    return {"user": whose} if isinstance(whose, User) else {"collab": whose}


def _lock(library: Library) -> Library:
    return Library.objects.select_for_update().get(pk=library.pk)


def _check_persons(library: Library) -> None:
    if library.owner_collab_id or library.deleted_at:
        raise ValidationError(
            gettext("Only a person's library can be shared. A Collab's library follows its team and settings.")
        )


def _settle_on_commit(library: Library) -> None:
    """Let the disk follow. What fails here, or dies with the process, is done within seconds: the note says so."""
    layout.note_unsettled(library.pk)

    def settle() -> None:
        try:
            layout.settle_committed(library.pk)
        except (OSError, DatabaseError):
            log.exception("library %s not settled on disk", library.pk)

    transaction.on_commit(settle)
