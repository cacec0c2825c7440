"""Changes to Collabs: each is one transaction, with audit row, hooks, and `access_changed` for running servers."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.functional import Promise
from django.utils.text import format_lazy, slugify
from django.utils.translation import gettext, gettext_lazy

from groups.models import Group, people_in
from notices.models import Kind
from notices.services import notify
from portal import audit, hooks
from portal.access import send_access_changed
from portal.models import User

from . import search_index
from .models import NOUNS, TITLE_TAKEN, Collab, EffectiveRole, GroupRole, Membership, Role, Tag, tidy_title
from .tags import tidy_all

RESERVED_SLUGS = frozenset({"new", "deleted", "join", "invite"})
SLUG_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
SLUGS_TRIED = 50
SLUG_TAKEN = gettext_lazy("This address is taken, perhaps by a private Collab or a deleted one. Please choose another.")


class LastAdministratorError(ValidationError):
    """The change would leave the Collab without an active administrator."""

    def __init__(self) -> None:
        text = gettext("A Collab needs an administrator. Make somebody else administrator first.")
        super().__init__(text, code="last_administrator")


class ArchivedError(ValidationError):
    """The Collab is archived and cannot be changed."""

    def __init__(self) -> None:
        super().__init__(gettext("This Collab is archived. Restore it from the archive to change it."), code="archived")


@transaction.atomic
def create_collab(
    actor: User | None,
    *,
    title: str,
    description: str = "",
    is_public: bool = False,
    tags: Iterable[str] = (),
    slug: str = "",
    administrator: User | None = None,
) -> Collab:
    """Create a Collab with `actor`, or `administrator`, as its administrator.

    Its slug is made from the title, unless `slug` is given. ValidationError if title or slug is taken or invalid, or
    the administrator's account deactivated.
    """
    first = administrator or actor
    if first is None or not first.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    collab = Collab(title=title, description=description, is_public=is_public, created_by=actor)
    _check(collab)
    _insert(collab, slug)
    Membership.objects.create(collab=collab, user=first, role=Role.ADMINISTRATOR)
    search_index.index(collab, _set_tags(collab, tags))
    details = {} if first == actor else {"administrator": first.username}
    audit.record(actor, "collab.created", collab, is_public=is_public, **details)
    hooks.run("collab_created", actor=actor, collab=collab)
    send_access_changed([first.pk])
    return collab


def _set_tags(collab: Collab, names: Iterable[str]) -> list[str]:
    """Replace the Collab's tags; returns the new ones, normalised."""
    kept = _tidy_tags(names)
    collab.tags.all().delete()
    Tag.objects.bulk_create(Tag(collab=collab, name=name) for name in kept)
    return kept


def _tidy_tags(names: Iterable[str]) -> list[str]:
    try:
        return tidy_all(names)
    except ValidationError as error:
        raise ValidationError({"tags": error.messages}) from error


def _check(collab: Collab) -> None:
    collab.clean_fields(exclude=["slug", "title_key", "created_by"])
    collab.clean()


def _insert(collab: Collab, asked: str) -> None:
    """Save the new row with the slug that was asked for, else with the first free one."""
    if asked:
        validate_slug(asked)
    for slug in [asked] if asked else islice(_slugs(collab.title), SLUGS_TRIED):
        if slug in RESERVED_SLUGS or Collab.all_objects.filter(slug=slug).exists():
            continue
        collab.slug = slug
        try:
            with transaction.atomic():
                collab.save()
        except IntegrityError:
            collab.clean()  # somebody took the title in this moment: ValidationError; or the slug: try the next
            continue
        return
    raise ValidationError({"slug": SLUG_TAKEN} if asked else {"title": gettext("Please choose another title.")})


def _slugs(title: str) -> Iterator[str]:
    """Candidate slugs from the title: `cortex`, `cortex-2`, … `cortex-9`, `cortex-x7k2mq`; random for other scripts."""
    base = slugify(title)[:60].strip("-_")
    if base:
        yield base
        yield from (f"{base}-{number}" for number in range(2, 10))
    while True:
        yield f"{base or 'collab'}-{get_random_string(6, SLUG_LETTERS)}"


def lock(collab: Collab) -> Collab:
    """The Collab's row, locked (SELECT FOR UPDATE): changes to one Collab happen one after the other."""
    return Collab.all_objects.select_for_update().get(pk=collab.pk)


@transaction.atomic
def update_collab(
    actor: User | None,
    collab: Collab,
    *,
    title: str,
    description: str,
    is_public: bool,
    tags: Iterable[str] | None = None,
    coediting: bool | None = None,
    visitors_read: bool | None = None,
) -> Collab:
    """Change title, description, visibility, tags, whether people edit together and visitors read (None: unchanged).

    A private Collab is closed to visitors, and stays so when it is made public again. ArchivedError; ValidationError if
    the title is taken or invalid, or if the site does not allow to open Collabs to visitors.
    """
    row = lock(collab)
    before: dict[str, Any] = {name: getattr(row, name) for name in ("title", "description", "is_public")}
    wanted: dict[str, Any] = {"title": tidy_title(title), "description": description, "is_public": is_public}
    if coediting is not None:
        before["coediting"], wanted["coediting"] = row.coediting, coediting
    if visitors_read is not None or not is_public:
        before["visitors_read"], wanted["visitors_read"] = row.visitors_read, bool(visitors_read and is_public)
    if tags is not None:
        before["tags"] = list(row.tags.values_list("name", flat=True))
        wanted["tags"] = _tidy_tags(tags)
    changed = {name for name, value in wanted.items() if before[name] != value}
    if not changed:
        return row
    if row.archived_at:
        raise ArchivedError
    if "visitors_read" in changed and wanted["visitors_read"] and not settings.VISITORS_READ_FILES:
        raise ValidationError("This site does not let visitors without an account read files.")
    for name in changed - {"tags"}:
        setattr(row, name, wanted[name])
    _check(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:  # somebody took the title in this moment
        raise ValidationError({"title": TITLE_TAKEN}) from error
    if "tags" in changed:
        _set_tags(row, wanted["tags"])
    search_index.index(row)
    said = [{name: values[name] for name in changed} for values in (before, wanted)]
    audit.record(actor, "collab.changed", row, before=said[0], after=said[1])
    if changed - {"tags", "coediting", "visitors_read"}:
        hooks.run("collab_changed", actor=actor, collab=row, changed=changed)
        send_access_changed(_member_ids(row))
    return row


@transaction.atomic
def archive_collab(actor: User | None, collab: Collab) -> bool:
    """Archive a finished Collab: everybody keeps reading, nobody writes, the directory does not list it.

    In running Labs its files turn read-only. False, and no change, if it is archived already.
    """
    return _set_archived(actor, collab, timezone.now())


@transaction.atomic
def unarchive_collab(actor: User | None, collab: Collab) -> bool:
    """Undo `archive_collab`; False if it is not archived."""
    return _set_archived(actor, collab, None)


def _set_archived(actor: User | None, collab: Collab, at: datetime | None) -> bool:
    row = lock(collab)
    if row.deleted_at:
        raise ValidationError(gettext("This Collab was deleted."))
    if bool(row.archived_at) == bool(at):
        return False
    row.archived_at = at
    row.save()
    audit.record(actor, "collab.archived" if at else "collab.unarchived", row)
    send_access_changed(_member_ids(row))
    return True


@transaction.atomic
def delete_collab(actor: User | None, collab: Collab) -> bool:
    """Delete softly: the Collab and its library disappear at once and are kept for 30 days. False if it was before."""
    row = lock(collab)
    if row.deleted_at:
        return False
    row.deleted_at = timezone.now()
    row.save()
    audit.record(actor, "collab.deleted", row)
    hooks.run("collab_deleted", actor=actor, collab=row)
    send_access_changed(_member_ids(row))
    return True


@transaction.atomic
def restore_collab(actor: User | None, collab: Collab) -> bool:
    """Undo `delete_collab`: page, team and library are as they were. False if it is not deleted."""
    row = lock(collab)
    if row.removed_at:
        raise ValidationError(gettext("This Collab was removed for good."))
    if not row.deleted_at:
        return False
    row.deleted_at = None
    row.save()
    audit.record(actor, "collab.restored", row)
    hooks.run("collab_restored", actor=actor, collab=row)
    send_access_changed(_member_ids(row))
    return True


@transaction.atomic
def remove_collab(collab: Collab, deleted_before: datetime) -> bool:
    """Remove a Collab that was deleted before then permanently; True if it was. Only its slug stays taken, for ever."""
    row = lock(collab)
    if row.removed_at or not row.deleted_at or row.deleted_at >= deleted_before:
        return False
    audit.record(None, "collab.removed", row)
    row.removed_at, row.is_public, row.description = timezone.now(), False, ""
    row.title, row.visitors_read = f"removed {row.slug[:60]} #{row.pk}", False
    row.memberships.all().delete()
    row.group_roles.all().delete()
    row.favourites.all().delete()
    row.save()
    search_index.index(row, _set_tags(row, []))
    return True


@transaction.atomic
def add_member(actor: User | None, collab: Collab, user: User, role: Role) -> Membership:
    """Add an active person. ValidationError if they are already a member."""
    row = lock(collab)
    if not user.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    membership, created = Membership.objects.get_or_create(collab=row, user=user, defaults={"role": role})
    if not created:
        raise ValidationError(gettext("%(username)s is already a member.") % {"username": user.username})
    audit.record(actor, "collab.member.added", row, user=user.username, role=role)
    said = gettext_lazy("{actor} added you to “{collab}” as {role}")
    _tell(actor, user, Kind.INVITED, row, format_lazy(said, actor=_name(actor), collab=row, role=NOUNS[role]))
    send_access_changed([user.pk])
    return membership


@transaction.atomic
def change_role(actor: User | None, collab: Collab, user: User, role: Role) -> None:
    """Give a member another role. LastAdministratorError; ValidationError if they are not a member (any more)."""
    row = lock(collab)
    membership = Membership.objects.filter(collab=row, user=user).first()
    if membership is None:
        raise ValidationError(gettext("%(username)s is not a member.") % {"username": user.username})
    if membership.role == role:
        return
    before, membership.role = membership.role, role
    membership.save()
    if before == Role.ADMINISTRATOR:
        _check_administered(row)
    audit.record(actor, "collab.member.changed", row, user=user.username, before=before, role=role)
    _tell(
        actor,
        user,
        Kind.ROLE,
        row,
        format_lazy(gettext_lazy("You are now {role} of “{collab}”"), role=NOUNS[role], collab=row),
    )
    send_access_changed([user.pk])


@transaction.atomic
def remove_member(actor: User | None, collab: Collab, user: User) -> None:
    """Remove a member; no change if they are not one. LastAdministratorError."""
    row = lock(collab)
    membership = Membership.objects.filter(collab=row, user=user).first()
    if membership is None:
        return
    membership.delete()
    if membership.role == Role.ADMINISTRATOR:
        _check_administered(row)
    verb = "collab.member.left" if actor == user else "collab.member.removed"
    audit.record(actor, verb, row, user=user.username)
    _tell(
        actor, user, Kind.ROLE, row, format_lazy(gettext_lazy("You are no longer a member of “{collab}”"), collab=row)
    )
    send_access_changed([user.pk])


@transaction.atomic
def hand_over(actor: User, collab: Collab, user: User, stay_as: Role | None) -> None:
    """Make another member administrator and give up one's own role for `stay_as`; None leaves the Collab."""
    change_role(actor, collab, user, Role.ADMINISTRATOR)
    if stay_as:
        change_role(actor, collab, actor, stay_as)
    else:
        leave(actor, collab)


def administrators(collab: Collab) -> models.QuerySet[User]:
    """Active administrators, over all routes."""
    routes = EffectiveRole.objects.filter(collab=collab, role=Role.ADMINISTRATOR)
    return User.objects.filter(pk__in=routes.values("user"), is_active=True)


def _name(actor: User | None) -> str | Promise:
    return actor.display_name if actor else gettext_lazy("An operator of this site")


def _tell(actor: User | None, user: User, kind: Kind, collab: Collab, subject: Promise) -> None:
    """Notify the person concerned, unless they did it themselves."""
    if actor != user:
        notify([user], kind, subject=subject, url=collab.get_absolute_url())


def leave(actor: User, collab: Collab) -> None:
    """Leave the Collab. LastAdministratorError."""
    remove_member(actor, collab, actor)


def _check_administered(collab: Collab) -> None:
    """LastAdministratorError if no active administrator is left: it undoes the caller's transaction.

    Asked only when an administrator goes: where a deactivation left none, other members can still leave.
    """
    if not collab.is_administered():
        raise LastAdministratorError


@transaction.atomic
def give_group_role(actor: User | None, collab: Collab, group: Group, role: Role) -> GroupRole:
    """Give a group a role, for everybody in it, now and later; it replaces the role that the group has."""
    row = lock(collab)
    held, created = GroupRole.objects.get_or_create(collab=row, group=group, defaults={"role": role})
    if not created and held.role == role:
        return held
    before, held.role = (None if created else held.role), role
    held.save()
    audit.record(actor, "collab.group.given", row, group=group.slug, before=before, role=role)
    send_access_changed(people_in(group).values_list("pk", flat=True))
    return held


@transaction.atomic
def remove_group(actor: User | None, collab: Collab, group: Group) -> None:
    """Take the role from a group; its people keep what they have by other routes."""
    row = lock(collab)
    removed, _ = GroupRole.objects.filter(collab=row, group=group).delete()
    if removed:
        audit.record(actor, "collab.group.removed", row, group=group.slug)
        send_access_changed(people_in(group).values_list("pk", flat=True))


def drop_group(actor: User | None, group: Group) -> None:
    """Hook: remove a group that is being deleted from all Collabs, so that their audit trails say so."""
    for held in GroupRole.objects.filter(group=group).select_related("collab"):
        remove_group(actor, held.collab, group)


def _member_ids(collab: Collab) -> list[int]:
    return list(EffectiveRole.objects.filter(collab=collab).values_list("user_id", flat=True).distinct())
