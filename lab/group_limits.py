"""What applies to a person's next Lab: limits, times and environments, by their groups, else by the site.

A person of several groups has the most generous value of those that say something; where none does, the environment's
own limit counts, else the site's settings. A running Lab keeps what it was started with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, Q
from django.utils.translation import gettext

from groups import nesting
from groups.models import Group
from portal import audit
from portal.models import User

from .models import Environment, EnvironmentQuerySet, GroupLimits

MIB = 2**20
LIMITS = {
    "memory": ("memory_mib", MIB, "LAB_MEMORY_LIMIT"),
    "disk": ("disk_mib", MIB, "LAB_DISK_LIMIT"),
    "files": ("file_limit", 1, "LAB_FILE_LIMIT"),
    "cpu": ("cpu_limit", 1, "LAB_CPU_LIMIT"),
    "processes": ("process_limit", 1, "LAB_PROCESS_LIMIT"),
}
"""Field of a group's and of an environment's row, its unit, and the site's setting."""
TIMES = {"idle": ("idle_hours", "LAB_IDLE_LIMIT"), "life": ("life_hours", "LAB_MAX_AGE")}
FIELDS = (*(field for field, _unit, _setting in LIMITS.values()), *(field for field, _setting in TIMES.values()))


@dataclass(frozen=True)
class Applying:
    """What applies to a person's next Lab in one environment."""

    limits: dict[str, float]
    """For `LaunchSpec`; 0: no limit."""
    idle_seconds: int
    """Without use, after which it is stopped."""
    life_seconds: int
    """From then on only what its person does keeps it."""
    groups: dict[str, Group]
    """Group that gives it, by `memory`, …, `idle`, `life`; the others are the environment's or the site's."""


def applying(user: User, environment: Environment) -> Applying:
    """For the person's Lab in this environment."""
    rows = _rows(user)
    limits: dict[str, float] = {}
    groups: dict[str, Group] = {}
    for what, (field, unit, setting) in LIMITS.items():
        own = getattr(environment, field)
        limits[what] = getattr(settings, setting) if own is None else own * unit
        if best := _most(rows, field):
            limits[what], groups[what] = getattr(best, field) * unit, best.group
    seconds: dict[str, int] = {}
    for what, (field, setting) in TIMES.items():
        seconds[what] = getattr(settings, setting)
        if best := _most(rows, field):
            seconds[what], groups[what] = max(1, round(getattr(best, field) * 3600)), best.group
    return Applying(limits, seconds["idle"], seconds["life"], groups)


def usable(user: User) -> EnvironmentQuerySet:
    """Installed environments that the person may use, retired ones too."""
    chosen = GroupLimits.environments.through.objects.filter(grouplimits__group__in=Group.objects.of_person(user))
    return Environment.objects.ready().filter(
        Q(pk__in=chosen.values("environment")) | Q(~Exists(chosen), for_groups_only=False)
    )


def _rows(user: User) -> list[GroupLimits]:
    return list(GroupLimits.objects.filter(group__in=Group.objects.of_person(user)).select_related("group"))


def _most(rows: list[GroupLimits], field: str) -> GroupLimits | None:
    """The most generous row of those that say something; 0 is no limit."""
    said = [row for row in rows if getattr(row, field) is not None]
    return max(said, key=lambda row: getattr(row, field) or float("inf"), default=None)


@transaction.atomic
def set_limits(
    actor: User | None, group: Group, environments: Iterable[Environment], **values: float | None
) -> GroupLimits:
    """Say all that the group gives; fields that are not named say nothing. ValidationError."""
    row = GroupLimits.objects.select_for_update().filter(group=group).first() or GroupLimits(group=group)
    before = _said(row)
    for field in FIELDS:
        setattr(row, field, values.get(field))
    row.full_clean()
    row.save()
    row.environments.set(environments)
    if before != (after := _said(row)):
        audit.record(actor, "group.limits.changed", group, before=before, after=after)
    return row


@transaction.atomic
def remove_limits(actor: User | None, group: Group) -> bool:
    """Have its people as everybody is; False if they are."""
    removed, _ = GroupLimits.objects.filter(group=group).delete()
    if removed:
        audit.record(actor, "group.limits.removed", group)
    return bool(removed)


def refuse_managers(actor: User | None, group: Group) -> None:
    """ValidationError if the group, or one around it, says something about Labs: people are put in without consent."""
    if actor is None or actor.has_perm("lab.change_grouplimits"):
        return
    if GroupLimits.objects.filter(group__in=nesting.outside(group)).exists():
        raise ValidationError(
            gettext("Only operators add people and groups to this group, because it decides about limits of Labs.")
        )


def _said(row: GroupLimits) -> dict[str, Any]:
    said: dict[str, Any] = {field: getattr(row, field) for field in FIELDS if getattr(row, field) is not None}
    if row.pk and (slugs := list(row.environments.order_by("slug").values_list("slug", flat=True))):
        said["environments"] = slugs
    return said
