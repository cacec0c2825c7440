"""Nesting of groups over any number of steps: upkeep of `Reach`, and detection of cycles.

Changes of nesting come one after the other (`lock`), because two that are each without a cycle can make one together.
They are rare, and there are few groups beside people: the whole of `Reach` that a change touches is computed anew from
`Nesting`, which is easier to trust than clever additions.
"""

from collections import defaultdict
from collections.abc import Iterable

from .models import Group, Nesting, Reach


def lock() -> None:
    """Lock all groups until the transaction ends: nobody else changes how they are nested."""
    list(Group.objects.select_for_update().order_by("pk").values_list("pk", flat=True))


def makes_cycle(outer: Group, inner: Group) -> bool:
    """True if `inner` cannot be nested in `outer`, because `outer` is `inner` or inside it."""
    return Reach.objects.filter(outer=inner, inner=outer).exists()


def outside(group: Group) -> list[int]:
    """Ids of the group and of all groups around it."""
    return list(Reach.objects.filter(inner=group).values_list("outer", flat=True))


def renew(outers: Iterable[int]) -> None:
    """Compute `Reach` anew for these outer groups."""
    steps: dict[int, list[int]] = defaultdict(list)
    for outer, inner in Nesting.objects.values_list("outer", "inner"):
        steps[outer].append(inner)
    for outer in outers:
        inside = _inside(outer, steps)
        Reach.objects.filter(outer=outer).exclude(inner__in=inside).delete()
        known = set(Reach.objects.filter(outer=outer).values_list("inner", flat=True))
        Reach.objects.bulk_create(Reach(outer_id=outer, inner_id=inner) for inner in inside - known)


def _inside(group: int, steps: dict[int, list[int]]) -> set[int]:
    found, waiting = {group}, [group]
    while waiting:
        for inner in steps[waiting.pop()]:
            if inner not in found:
                found.add(inner)
                waiting.append(inner)
    return found
