"""What others do to rooms."""

from drive.models import Library

from . import journals
from .models import Room


def forget_library(library: Library) -> None:
    """A library goes for good: what was typed in its files goes with it. May run again after it was cut off."""
    rooms = Room.objects.filter(file__library=library)
    for room_id in list(rooms.values_list("pk", flat=True)):
        journals.remove(room_id)
        Room.objects.filter(pk=room_id).delete()
