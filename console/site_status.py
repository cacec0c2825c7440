"""What works now, in the words of people: the parts of the site's health as what somebody can do with them."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from portal.ops.health import PartStatus

STARTS = frozenset({"broker", "supervisor"})
SERVICES: tuple[tuple[Promise, frozenset[str]], ...] = (
    (gettext_lazy("Pages, Collabs and files"), frozenset({"database", "migrations", "cache", "drive"})),
    (gettext_lazy("Starting and stopping Labs"), STARTS),
    (gettext_lazy("Work in Labs that run"), frozenset({"relay", "api-relay"})),
    (gettext_lazy("Editing together"), frozenset({"rooms"})),
    (gettext_lazy("The Drive on your computer"), frozenset({"webdav"})),
)
"""Each with the parts that it needs (`/readyz`); a test finds the part that is in none."""


@dataclass(frozen=True)
class ServiceStatus:
    """Whether one of SERVICES works."""

    title: Promise
    works: bool
    paused: bool = False
    """It works, and maintenance keeps people from it."""


def services(statuses: list[PartStatus], *, paused: bool) -> Iterator[ServiceStatus]:
    """The services that this site has; `paused`: no Lab is started at the moment."""
    ok = {status.name: status.ok for status in statuses}
    for title, parts in SERVICES:
        if here := parts & set(ok):
            works = all(ok[part] for part in here)
            yield ServiceStatus(title, works, paused=paused and works and parts == STARTS)
