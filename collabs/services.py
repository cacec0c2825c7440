"""Changes to Collabs: each one transaction, with its audit row, its hooks, and word to running servers."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from portal import audit, hooks
from portal.access import send_access_changed
from portal.models import User

from .models import Collab, Membership, Role, title_key

RESERVED_SLUGS = frozenset({"new"})


class LastAdministrator(ValidationError):
    """The change would leave the Collab without an active administrator."""

    def __init__(self) -> None:
        super().__init__("A Collab needs an administrator: make somebody else one first.", code="last_administrator")


@transaction.atomic
def create_collab(actor: User, *, title: str, description: str = "", is_public: bool = False) -> Collab:
    """Create a Collab with `actor` as its administrator. ValidationError when the title is taken or no good."""
    collab = Collab(title=title, description=description, is_public=is_public, created_by=actor)
    _save(collab, new=True)
    Membership.objects.create(collab=collab, user=actor, role=Role.ADMINISTRATOR)
    audit.record(actor, "collab.created", collab, is_public=is_public)
    hooks.run("collab_created", actor=actor, collab=collab)
    send_access_changed([actor.pk])
    return collab


def _save(collab: Collab, *, new: bool = False) -> None:
    collab.full_clean(exclude=["slug", "title_key"])
    if Collab.all_objects.exclude(pk=collab.pk).filter(title_key=title_key(collab.title)).exists():
        raise ValidationError({"title": "A Collab with this title exists, or existed within the last 30 days."})
    if not new:
        collab.save()
        return
    base = slugify(collab.title)[:60] or "collab"
    for number in range(1, 1000):
        collab.slug = base if number == 1 else f"{base}-{number}"
        if collab.slug in RESERVED_SLUGS or Collab.all_objects.filter(slug=collab.slug).exists():
            continue
        try:
            with transaction.atomic():
                collab.save()
        except IntegrityError:
            continue  # somebody took it in this moment
        return
    raise ValidationError({"title": "Please choose another title."})


def _lock(collab: Collab) -> Collab:
    """The Collab's row, locked: changes to one team happen one after the other."""
    return Collab.all_objects.select_for_update().get(pk=collab.pk)


@transaction.atomic
def update_collab(actor: User, collab: Collab, *, title: str, description: str, is_public: bool) -> Collab:
    """Change what the settings page shows."""
    row = _lock(collab)
    wanted = {"title": title, "description": description, "is_public": is_public}
    changed = {name for name, value in wanted.items() if getattr(row, name) != value}
    if not changed:
        return row
    before = {name: getattr(row, name) for name in changed}
    for name in changed:
        setattr(row, name, wanted[name])
    _save(row)
    audit.record(actor, "collab.changed", row, before=before, after={name: wanted[name] for name in changed})
    hooks.run("collab_changed", actor=actor, collab=row, changed=changed)
    send_access_changed(_member_ids(row))
    return row


@transaction.atomic
def delete_collab(actor: User, collab: Collab) -> None:
    """Hide the Collab and its library at once; both are kept for 30 days."""
    row = _lock(collab)
    row.deleted_at = timezone.now()
    row.save()
    audit.record(actor, "collab.deleted", row)
    hooks.run("collab_deleted", actor=actor, collab=row)
    send_access_changed(_member_ids(row))


@transaction.atomic
def restore_collab(actor: User, collab: Collab) -> None:
    """Undo `delete_collab`: page, team and library are as they were."""
    row = _lock(collab)
    row.deleted_at = None
    row.save()
    audit.record(actor, "collab.restored", row)
    hooks.run("collab_restored", actor=actor, collab=row)
    send_access_changed(_member_ids(row))


@transaction.atomic
def add_member(actor: User, collab: Collab, user: User, role: Role) -> Membership:
    """Add an active person. ValidationError when they are a member already."""
    row = _lock(collab)
    if not user.is_active:
        raise ValidationError("This account is deactivated.")
    membership, created = Membership.objects.get_or_create(collab=row, user=user, defaults={"role": role})
    if not created:
        raise ValidationError(f"{user.username} is a member already.")
    audit.record(actor, "collab.member.added", row, user=user.username, role=role)
    send_access_changed([user.pk])
    return membership


@transaction.atomic
def change_role(actor: User, collab: Collab, user: User, role: Role) -> None:
    """Give a member another role."""
    row = _lock(collab)
    membership = Membership.objects.get(collab=row, user=user)
    if membership.role == role:
        return
    before, membership.role = membership.role, role
    membership.save()
    _check_administered(row)
    audit.record(actor, "collab.member.changed", row, user=user.username, before=before, role=role)
    send_access_changed([user.pk])


@transaction.atomic
def remove_member(actor: User, collab: Collab, user: User) -> None:
    """Remove a member; who is none already, stays none."""
    row = _lock(collab)
    if not Membership.objects.filter(collab=row, user=user).delete()[0]:
        return
    _check_administered(row)
    verb = "collab.member.left" if actor == user else "collab.member.removed"
    audit.record(actor, verb, row, user=user.username)
    send_access_changed([user.pk])


def leave(actor: User, collab: Collab) -> None:
    """Stop being a member."""
    remove_member(actor, collab, actor)


def _check_administered(collab: Collab) -> None:
    """Undo the change (the caller's transaction ends) when no active administrator is left."""
    if not collab.memberships.filter(role=Role.ADMINISTRATOR, user__is_active=True).exists():
        raise LastAdministrator


def _member_ids(collab: Collab) -> list[int]:
    return list(collab.memberships.values_list("user_id", flat=True))
