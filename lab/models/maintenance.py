"""Maintenance: pauses, times in which no Lab is started."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext


class PauseQuerySet(models.QuerySet["Pause"]):
    def current(self) -> "Pause | None":
        """The pause that is in force now; of several the one that ends last."""
        now = timezone.now()
        return self.filter(starts_at__lte=now, ends_at__gt=now).order_by("-ends_at").first()


class Pause(models.Model):
    """A time in which no Lab is started, for maintenance. Those that run go on."""

    text = models.CharField(max_length=300, help_text="Why, in a sentence; people who want to start a Lab read it.")
    starts_at = models.DateTimeField(default=timezone.now, help_text="From when on no Lab is started.")
    ends_at = models.DateTimeField(help_text="When Labs can be started again. Set it to a moment ago to end it now.")

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ["-ends_at"]
        verbose_name = "pause of launches"
        verbose_name_plural = "pauses of launches"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="lab_pause_ends_after_its_start",
                violation_error_message="It must end after it starts.",
            )
        ]

    def __str__(self) -> str:
        return f"until {timezone.localtime(self.ends_at):%-d %B %Y, %H:%M}"

    @property
    def sentence(self) -> str:
        """Message to people who want to start a Lab."""
        until = date_format(timezone.localtime(self.ends_at), "DATETIME_FORMAT")
        said = gettext("No Lab can be started until %(until)s. %(why)s Running Labs continue.")
        return said % {"until": until, "why": self.text}
