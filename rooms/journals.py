"""Where the journals of rooms are: what is typed, kept until nobody comes back for it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings


def journal_of(room_id: UUID) -> Path:
    """Where what is typed in a room is noted."""
    return Path(settings.ROOMS_ROOT) / f"{room_id.hex}.journal"


def every_file() -> Iterator[tuple[Path, UUID]]:
    """Files with the room that they are of: its journal, one that is being written anew, one that was set aside."""
    for path in Path(settings.ROOMS_ROOT).glob("*.*"):
        try:
            yield path, UUID(path.name.partition(".")[0])
        except ValueError:
            continue  # none of ours


def size_of(room_id: UUID) -> int:
    """Bytes of a room's journal; 0 where there is none."""
    try:
        return journal_of(room_id).stat().st_size
    except OSError:
        return 0


def remove(room_id: UUID) -> None:
    """All that is kept of a room."""
    for path in Path(settings.ROOMS_ROOT).glob(f"{room_id.hex}.*"):
        path.unlink(missing_ok=True)
