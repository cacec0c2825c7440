"""What my Lab uses of its limits, as the supervisor has counted it (lab/supervisor/resource_use.py)."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from lab.formats import binary_size, duration
from lab.group_limits import Applying
from lab.models import Server

MAX_BYTES = 4096


@dataclass(frozen=True)
class Meter:
    """One limit, for a <meter>."""

    name: str
    used: int
    limit: int
    text: str

    @property
    def nearly(self) -> int:
        """From here on it is shown as nearly full."""
        return self.limit * 9 // 10


def meters(server: Server) -> list[Meter]:
    """The limits of a running Lab that somebody counts, in the order of the page; none where nobody does."""
    said = _read(server)
    bytes_of = (("memory", _("Memory")), ("disk", _("Disk outside the Drive")))
    numbers_of = (
        ("files", "file_limit", _("Files outside the Drive")),
        ("processes", "process_limit", _("Processes and threads")),
    )
    found = [_meter(name, said.get(what, 0), said.get(f"{what}_limit", 0), binary_size) for what, name in bytes_of]
    found += [_meter(name, said.get(what, 0), said.get(limit, 0), intcomma) for what, limit, name in numbers_of]
    return [meter for meter in found if meter.limit > 0]


@dataclass(frozen=True)
class Allowed:
    """What applies to the next Lab, for My Lab and the access report."""

    name: str
    text: str
    group: str
    """Name of the group that gives it; "" for the site."""


def allowed(applying: Applying) -> list[Allowed]:
    """Limits and times of a person's next Lab, in the order of the page."""

    def number(value: float) -> str:
        return intcomma(int(value) if value == int(value) else value)

    shows: dict[str, tuple[str, Callable[[float], str]]] = {
        "memory": (_("Memory"), lambda value: binary_size(int(value))),
        "cpu": (_("Processors"), number),
        "disk": (_("Disk"), lambda value: binary_size(int(value))),
        "files": (_("Files"), number),
        "processes": (_("Processes"), number),
    }
    rows = [
        (what, name, show(applying.limits[what]) if applying.limits[what] else _("no limit"))
        for what, (name, show) in shows.items()
    ]
    rows += [
        ("idle", _("Stopped when idle for"), duration(applying.idle_seconds)),
        ("life", _("Stopped though computing after"), duration(applying.life_seconds)),
    ]
    groups = {what: group.name for what, group in applying.groups.items()}
    return [Allowed(name, text, groups.get(what, "")) for what, name, text in rows]


def _meter(name: str, used: int, limit: int, show: Callable[[int], str]) -> Meter:
    return Meter(name, used, limit, _("%(used)s of %(limit)s") % {"used": show(used), "limit": show(limit)})


def _read(server: Server) -> dict[str, int]:
    """Only the supervisor writes the file; a Lab sees it read-only."""
    with suppress(OSError, ValueError, AttributeError):
        file = settings.LAB_ROOT / "servers" / server.pk.hex / "facts/usage.json"
        with file.open() as lines:
            said = json.loads(lines.read(MAX_BYTES))
        return {name: int(value) for name, value in said.items()}
    return {}
