"""Presence: the file that is open in front in a running Lab."""

from django.db import models

MAX_LENGTH = 2000
"""Characters of a path in a Lab that are kept."""


class Presence(models.Model):
    """The file that a Lab's page last reported; deleted with the server."""

    server = models.OneToOneField("lab.Server", on_delete=models.CASCADE, primary_key=True, related_name="presence")
    library = models.ForeignKey("drive.Library", on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=MAX_LENGTH, help_text="Path in the library.")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path
