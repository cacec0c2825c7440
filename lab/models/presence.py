"""Which file is in front in a running Lab."""

from django.db import models

MAX_LENGTH = 2000
"""Characters of a path in a Lab that are kept."""


class Presence(models.Model):
    """The latest word of a Lab's page; gone with the server."""

    server = models.OneToOneField("lab.Server", on_delete=models.CASCADE, primary_key=True, related_name="presence")
    library = models.ForeignKey("drive.Library", on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=MAX_LENGTH, help_text="In the library.")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.path
