"""Rooms: files that are, or were lately, edited by several people at once."""

import uuid

from django.db import models

from drive.models import File

from .room.room import Kind


class Room(models.Model):
    """One document of one file, whoever it is open with and wherever the file is moved. What was typed is in a journal.

    The id is what pages know the room by: random, so that nobody guesses it, and the same on every origin and in every
    folder that the library stands in.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    file = models.ForeignKey(
        File, null=True, on_delete=models.SET_NULL, related_name="rooms", help_text="None: gone without a trace."
    )
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.name.lower()) for kind in Kind])
    is_open = models.BooleanField(default=False, help_text="Something may be in the journal that is not saved yet.")
    opened_at = models.DateTimeField(auto_now_add=True)
    left_at = models.DateTimeField(null=True, db_index=True, help_text="When the last person left.")

    class Meta:
        ordering = ["-opened_at"]
        constraints = [models.UniqueConstraint(fields=["file", "kind"], name="one_room_per_file_and_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
