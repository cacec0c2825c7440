"""Announcements of operators, and failed tasks."""

from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from collabs.models import Collab


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    def showing(self) -> Self:
        """Announcements that are shown now."""
        now = timezone.now()
        return self.filter(begins_at__lte=now, ends_at__gt=now)


class Announcement(models.Model):
    """Announcement on every page between two times."""

    class Level(models.TextChoices):
        INFO = "info", "information"
        WARNING = "warning", "warning"

    text = models.CharField(max_length=500, help_text="One or two sentences. Plain text.")
    level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    link = models.URLField(blank=True, help_text="Address with more information (optional).")
    begins_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(help_text="The announcement disappears at this time.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        ordering = ["-begins_at"]

    def __str__(self) -> str:
        return self.text[:80]

    def clean(self) -> None:
        """Refuse an end before the beginning."""
        if self.begins_at and self.ends_at and self.ends_at <= self.begins_at:
            raise ValidationError({"ends_at": "The end must be after the beginning."})


class FailedTask(models.Model):
    """Failed Celery task: arguments, error, and time of the retry."""

    task_id = models.CharField(max_length=50, unique=True)
    name = models.CharField(max_length=200, help_text="Name of the task, such as lab.tasks.launch.")
    arguments = models.JSONField(default=list, help_text="Arguments of the task: ids.")
    error = models.CharField(max_length=500)
    traceback = models.TextField(blank=True)
    failed_at = models.DateTimeField(auto_now_add=True, db_index=True)
    retried_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-failed_at"]
        permissions = [("see_as_person", "Can see what a person can see, and why")]

    def __str__(self) -> str:
        return f"{self.name}, {self.failed_at:%Y-%m-%d %H:%M}"


class MonthlyUsage(models.Model):
    """What a person or a Collab stored and used in one month; written every night by `console.usage`.

    Without a person and a Collab: of all accounts together that were erased.
    """

    month = models.DateField(help_text="Its first day.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    collab = models.ForeignKey(Collab, null=True, on_delete=models.CASCADE, related_name="+")
    used_bytes = models.BigIntegerField(default=0)
    used_files = models.BigIntegerField(default=0)
    lab_seconds = models.BigIntegerField(default=0, help_text="How long the person's Labs ran.")
    cpu_seconds = models.FloatField(default=0, help_text="How long the person's Labs had a processor.")
    counted_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["month", "user"], condition=Q(collab=None), name="one_usage_per_person"),
            models.UniqueConstraint(fields=["month", "collab"], condition=Q(user=None), name="one_usage_per_collab"),
            models.UniqueConstraint(
                fields=["month"], condition=Q(user=None, collab=None), name="one_usage_of_erased_accounts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.collab or 'erased accounts'} in {self.month:%Y-%m}"

    @property
    def lab_hours(self) -> float:
        """Hours for which the person's Labs ran."""
        return self.lab_seconds / 3600

    @property
    def cpu_hours(self) -> float:
        """Hours of processor time of the person's Labs."""
        return self.cpu_seconds / 3600
