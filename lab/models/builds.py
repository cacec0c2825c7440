"""Building environments: one row per attempt."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .environments import EnvironmentKind


class BuildState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


LIVE_BUILDS = (BuildState.QUEUED, BuildState.RUNNING)


class Build(models.Model):
    """One attempt to make an environment from its list of packages, in a directory of its own."""

    environment = models.ForeignKey("lab.Environment", on_delete=models.CASCADE, related_name="builds")
    kind = models.CharField(max_length=10, choices=EnvironmentKind, default=EnvironmentKind.VENV)
    packages = models.TextField(help_text="Packages as they were when the build was requested.")
    channels = models.TextField(blank=True, help_text="Channels of conda packages.")
    prefix = models.CharField(max_length=500, blank=True, help_text="Directory of the build; empty once it is deleted.")
    state = models.CharField(max_length=10, choices=BuildState, default=BuildState.QUEUED)
    error = models.TextField(blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(state__in=LIVE_BUILDS), name="lab_one_live_build_per_environment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.environment}, {timezone.localtime(self.asked_at):%Y-%m-%d %H:%M}"

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_BUILDS
