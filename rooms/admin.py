"""Rooms, for operators: which files are edited together now, by how many, and what is kept of others."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.timesince import timesince

from drive.storage import path_codec, shown
from portal.admin import ReadOnlyAdmin
from portal.models import User

from . import journals
from .models import Room
from .process import OpenRoomStatus, RoomsProcessError, open_rooms


class _RoomList(ChangeList):
    """Asks the process, and for names, once for the page as a whole."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        seen = _seen(request) if any(room.is_open for room in self.result_list) else {}
        ids = {pk for room in self.result_list if room.pk in seen for pk in seen[room.pk].people}
        names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username")) if ids else {}
        for room in self.result_list:
            room.seen, room.names = seen.get(room.pk), names


def _seen(request: HttpRequest) -> dict[UUID, OpenRoomStatus]:
    try:
        return open_rooms()
    except RoomsProcessError as error:
        messages.warning(request, f"Who is there, and what is not saved, is unknown: {error}")
        return {}


@admin.register(Room)
class RoomAdmin(ReadOnlyAdmin):
    """Files that are, or were lately, edited together. Operators see names and sizes here, not contents."""

    list_display = ["path", "library", "kind", "is_open", "people", "document", "journal", "unsaved", "left_at"]
    list_filter = ["is_open", "kind"]
    list_select_related = ["file__library"]
    search_fields = ["file__path", "file__library__name", "id"]
    fields = ["id", "path", "library", "kind", "is_open", "people", "document", "journal", "unsaved", "opened_at"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return _RoomList

    def get_object(self, request: HttpRequest, *arguments: Any, **named: Any) -> Room | None:
        """With what the process says of it."""
        room: Room | None = super().get_object(request, *arguments, **named)
        if room is not None:
            room.seen = _seen(request).get(room.pk) if room.is_open else None  # type: ignore[attr-defined]
            ids = room.seen.people if room.seen else []  # type: ignore[attr-defined]
            room.names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))  # type: ignore[attr-defined]
        return room

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Room]:
        return super().get_queryset(request).order_by("-is_open", "-left_at", "-opened_at")

    @admin.display(ordering="file__path")
    def path(self, room: Room) -> str:
        """Of the file in its library."""
        return shown(path_codec.from_row(room.file.path)) if room.file else "gone"

    @admin.display(ordering="file__library__name")
    def library(self, room: Room) -> str:
        """That the file is in."""
        return str(room.file.library) if room.file else "–"

    @admin.display
    def people(self, room: Room) -> str:
        """Who has it open, with the number of their pages where it is more than one."""
        seen = _status(room)
        if seen is None:
            return "–"
        pages = Counter(room.names.get(pk, "?") for pk in seen.people)  # type: ignore[attr-defined]
        return ", ".join(name if number == 1 else f"{name} ({number})" for name, number in sorted(pages.items())) or "0"

    @admin.display
    def document(self, room: Room) -> str:
        """Size of the shared document."""
        seen = _status(room)
        return filesizeformat(seen.document_bytes) if seen else "–"

    @admin.display
    def journal(self, room: Room) -> str:
        """What its journal takes on disk."""
        return filesizeformat(journals.size_of(room.pk))

    @admin.display
    def unsaved(self, room: Room) -> str:
        """Since when something is in the journal alone, and why."""
        seen = _status(room)
        if seen is None:
            return "maybe" if room.is_open else "–"
        if seen.unsaved_seconds is None:
            return "no"
        since = timesince(timezone.now() - timedelta(seconds=seen.unsaved_seconds))
        return f"for {since}" + (f" ({', '.join(seen.states)})" if seen.states else "")


def _status(room: Room) -> OpenRoomStatus | None:
    found: OpenRoomStatus | None = getattr(room, "seen", None)
    return found
