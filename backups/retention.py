"""Retention policy: how many backups are kept, by number, day, week and month. The rules are restic's."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

_PERIODS = {"last": "%Y-%m-%dT%H:%M:%S", "daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m"}
"""Backups of one period are those whose times look the same in this format."""


@dataclass(frozen=True)
class Retention:
    """Counts per rule; a backup is kept if one rule keeps it. All 0: everything is kept."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def kept(self, times: Iterable[datetime]) -> set[datetime]:
        """The times to keep: the newest one of each of the latest periods that have a backup."""
        newest_first = sorted(times, reverse=True)
        kept: set[datetime] = set()
        for rule, count in asdict(self).items():
            newest_of: dict[str, datetime] = {}
            for time in newest_first:
                newest_of.setdefault(time.strftime(_PERIODS[rule]), time)
            kept |= set(list(newest_of.values())[:count])
        return kept

    def restic_options(self) -> list[str]:
        """The same rules for `restic forget`."""
        return [word for rule, count in asdict(self).items() if count for word in (f"--keep-{rule}", str(count))]
