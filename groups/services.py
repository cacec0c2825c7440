"""Changes to groups: each is one transaction, with its audit row, and `access_changed` for running servers."""

from collections.abc import Iterable
from itertools import count

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy

from portal import audit, hooks
from portal.access import send_access_changed
from portal.models import User
from portal.text.unique_names import name_key, tidy_title

from . import nesting
from .models import Group, GroupManager, GroupMember, Nesting, people_in

NAME_TAKEN = gettext_lazy("There is a group with this name. Please choose another.")
SLUG_TAKEN = gettext_lazy("There is a group with this address. Please choose another.")
RESERVED_SLUGS = frozenset({"new"})


class LastManagerError(ValidationError):
    """The change would leave the group without an active manager."""

    def __init__(self) -> None:
        super().__init__(gettext("A group needs a manager. Add another manager first, or delete the group."))


@transaction.atomic
def create_group(
    actor: User | None, *, name: str, description: str = "", provider_name: str | None = None, slug: str = ""
) -> Group:
    """Create an empty group that `actor` manages. ValidationError if the name is taken or invalid.

    Its slug is made from the name, unless `slug` is given; ValidationError if that is taken.
    """
    nesting.lock()  # names and slugs are given out one after the other
    group = Group(name=tidy_title(name), description=description, provider_name=provider_name or None)
    group.created_by = actor
    _check(group)
    group.slug = _asked_slug(slug) if slug else _free_slug(group.name)
    group.save()
    nesting.renew([group.pk])
    if actor:
        GroupManager.objects.create(group=group, user=actor)
    audit.record(actor, "group.created", group)
    return group


def _check(group: Group) -> None:
    group.clean_fields(exclude=["slug", "name_key", "created_by"])
    if not group.name or "/" in group.name or any(not c.isprintable() for c in group.name):
        raise ValidationError({"name": gettext("A name cannot be empty, nor contain “/” or invisible characters.")})
    others = Group.objects.exclude(pk=group.pk)
    if others.filter(name_key=name_key(group.name)).exists():
        raise ValidationError({"name": NAME_TAKEN})
    if group.provider_name and others.filter(provider_name=group.provider_name).exists():
        raise ValidationError({"provider_name": gettext("Another group already follows this name.")})


def _asked_slug(slug: str) -> str:
    validate_slug(slug)
    if slug in RESERVED_SLUGS or Group.objects.filter(slug=slug).exists():
        raise ValidationError({"slug": SLUG_TAKEN})
    return slug


def _free_slug(name: str) -> str:
    base = slugify(name)[:60].strip("-_") or "group"
    candidates = (base if number == 1 else f"{base}-{number}" for number in count(1))
    return next(s for s in candidates if s not in RESERVED_SLUGS and not Group.objects.filter(slug=s).exists())


@transaction.atomic
def update_group(
    actor: User | None, group: Group, *, name: str, description: str, provider_name: str | None = None
) -> Group:
    """Change name, description and, by operators, the provider's group that it follows."""
    nesting.lock()
    row = Group.objects.get(pk=group.pk)
    before = {"name": row.name, "description": row.description, "provider_name": row.provider_name}
    after = {"name": tidy_title(name), "description": description, "provider_name": provider_name or None}
    if before == after:
        return row
    row.name, row.description, row.provider_name = after["name"] or "", description, after["provider_name"]
    _check(row)
    row.save()
    audit.record(actor, "group.changed", row, before=before, after=after)
    return row


@transaction.atomic
def delete_group(actor: User | None, group: Group) -> bool:
    """Delete the group; the roles that it held end with it. Its people keep what they have by other routes.

    False if it is gone already.
    """
    nesting.lock()
    row = Group.objects.filter(pk=group.pk).first()
    if row is None:
        return False
    everybody = list(people_in(row).values_list("pk", flat=True))
    outers = [pk for pk in nesting.outside(row) if pk != row.pk]
    audit.record(actor, "group.deleted", row, people=len(everybody))
    hooks.run("group_deleted", actor=actor, group=row)
    row.delete()
    nesting.renew(outers)
    send_access_changed(everybody)
    return True


@transaction.atomic
def add_person(actor: User | None, group: Group, user: User, *, from_provider: str = "") -> GroupMember:
    """Add an active person to the group. ValidationError if they are already in it, or operators alone may add them."""
    if not user.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    hooks.run("group_grows", actor=actor, group=group)
    member, created = GroupMember.objects.get_or_create(
        group=group, user=user, defaults={"from_provider": from_provider}
    )
    if not created:
        raise ValidationError(gettext("%(username)s is already in the group.") % {"username": user.username})
    audit.record(actor, "group.person.added", group, user=user.username, provider=from_provider)
    send_access_changed([user.pk])
    return member


@transaction.atomic
def remove_person(actor: User | None, group: Group, user: User) -> None:
    """Remove a person from the group; no change if they are not in it."""
    removed, _ = GroupMember.objects.filter(group=group, user=user).delete()
    if removed:
        audit.record(actor, "group.person.left" if actor == user else "group.person.removed", group, user=user.username)
        send_access_changed([user.pk])


@transaction.atomic
def add_manager(actor: User | None, group: Group, user: User) -> None:
    """Make an active person a manager of the group. Idempotent."""
    if not user.is_active:
        raise ValidationError(gettext("This account is deactivated."))
    _row, created = GroupManager.objects.get_or_create(group=group, user=user)
    if created:
        audit.record(actor, "group.manager.added", group, user=user.username)


@transaction.atomic
def remove_manager(actor: User | None, group: Group, user: User) -> None:
    """Remove a manager; no change if they are none. LastManagerError."""
    Group.objects.select_for_update().get(pk=group.pk)  # of two managers who remove each other, one stays
    removed, _ = GroupManager.objects.filter(group=group, user=user).delete()
    if not removed:
        return
    if not GroupManager.objects.filter(group=group, user__is_active=True).exists():
        raise LastManagerError
    audit.record(actor, "group.manager.removed", group, user=user.username)


@transaction.atomic
def nest(actor: User | None, outer: Group, inner: Group) -> None:
    """Nest one group, with all its people, now and later, in another.

    ValidationError if that makes a cycle, or operators alone may do it.
    """
    nesting.lock()
    hooks.run("group_grows", actor=actor, group=outer)
    if nesting.makes_cycle(outer, inner):
        raise ValidationError(
            gettext("“%(inner)s” cannot be put into “%(outer)s”: the groups would form a circle.")
            % {"inner": inner, "outer": outer}
        )
    try:
        with transaction.atomic():
            Nesting.objects.create(outer=outer, inner=inner)
    except IntegrityError as error:
        raise ValidationError(
            gettext("“%(inner)s” is already in “%(outer)s”.") % {"inner": inner, "outer": outer}
        ) from error
    nesting.renew(nesting.outside(outer))
    audit.record(actor, "group.nested", outer, inner=inner.slug)
    send_access_changed(people_in(inner).values_list("pk", flat=True))


@transaction.atomic
def unnest(actor: User | None, outer: Group, inner: Group) -> None:
    """Remove a nested group from another; no change if it is not in it."""
    nesting.lock()
    removed, _ = Nesting.objects.filter(outer=outer, inner=inner).delete()
    if removed:
        nesting.renew(nesting.outside(outer))
        audit.record(actor, "group.unnested", outer, inner=inner.slug)
        send_access_changed(people_in(inner).values_list("pk", flat=True))


@transaction.atomic
def follow_provider(user: User, provider: str, names: Iterable[str]) -> None:
    """Hook at a sign-in: put the person into the groups that follow one of the provider's `names`, and remove them from
    the others that the provider put them into. Membership given by hand stays.
    """
    wanted = set(Group.objects.filter(provider_name__in={f"{provider}:{name}" for name in names}))
    here = GroupMember.objects.filter(user=user, from_provider=provider).select_related("group")
    for member in here:
        if member.group not in wanted:
            remove_person(None, member.group, user)
    for group in wanted.difference(Group.objects.filter(members__user=user)):
        add_person(None, group, user, from_provider=provider)
