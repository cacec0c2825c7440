"""A git repository on its way into a library."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from drive.folders import Folder

KEPT = timedelta(days=7)
"""How long the page says what happened."""


class PullState(models.TextChoices):
    WAITING = "waiting", "waiting for the Lab"
    RUNNING = "running", "being fetched"
    DONE = "done", "done"
    FAILED = "failed", "failed"


UNDER_WAY = (PullState.WAITING, PullState.RUNNING)


class Pull(models.Model):
    """One fetch of a git repository into a folder of a person's library."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    library = models.ForeignKey("drive.Library", on_delete=models.CASCADE, related_name="+")
    folder = models.CharField(max_length=255)
    repo = models.CharField(max_length=500)
    branch = models.CharField(max_length=200, blank=True, help_text="Empty: the repository's own choice.")
    path = models.CharField(
        max_length=1000, blank=True, help_text="File or folder in the repository to open at the end."
    )
    state = models.CharField(max_length=10, choices=PullState.choices, default=PullState.WAITING)
    progress = models.CharField(max_length=200, blank=True, help_text="Last line of git's progress.")
    error = models.TextField(blank=True, help_text="Error, in a sentence for its person.")
    report = models.JSONField(default=dict, blank=True, help_text="Report of the pull.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    looked_at = models.DateTimeField(default=timezone.now, help_text="Time of the last look at its progress.")

    def __str__(self) -> str:
        return f"{self.repo} for {self.user_id}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def target(self) -> str:
        """The folder's path in `~/drive`."""
        return f"{Folder.MINE}/{self.library.name}/{self.folder}"

    @property
    def place(self) -> str:
        """Path in `~/drive` that is opened in the end."""
        return f"{self.target}/{self.path}" if self.path else self.target

    @property
    def has_news(self) -> bool:
        """True if the person should read the report before the folder is opened."""
        report = self.report
        left_out = report.get("what") != "same" and (report.get("submodules") or report.get("lfs"))
        return bool(self.error or report.get("kept") or report.get("returned") or report.get("renamed") or left_out)

    def move(self, **changes: Any) -> bool:
        """Change it if it is still under way; of two that try at once none undoes an end."""
        changes |= {"looked_at": timezone.now()}
        return bool(Pull.objects.filter(pk=self.pk, state__in=UNDER_WAY).update(**changes))
