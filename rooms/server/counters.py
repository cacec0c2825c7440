"""What happens in rooms, added to the metrics of the site."""

from dataclasses import dataclass

from rooms.metrics import MERGES, REFUSED, SAVES, UPDATES
from rooms.room.room import RoomStatistics

_COUNTERS = {"updates": UPDATES, "saves": SAVES, "merges": MERGES, "refused": REFUSED}


@dataclass
class Counted:
    """What was counted of a room so far."""

    updates: int = 0
    saves: int = 0
    merges: int = 0
    refused: int = 0


def count(now: RoomStatistics, counted: Counted) -> None:
    """Count what has happened in a room since the last time."""
    for name, counter in _COUNTERS.items():
        more = getattr(now, name) - getattr(counted, name)
        if more:
            counter.add(more)
            setattr(counted, name, getattr(now, name))
