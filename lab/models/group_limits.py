"""What a group gives its people in the Lab, where it is not what the settings give everybody."""

from django.core.validators import MinValueValidator
from django.db import models

from groups.models import Group

EMPTY = "Empty: this group says nothing about it."
SHORTEST_HOURS = 0.01


class GroupLimits(models.Model):
    """Limits of one Lab of a group's people, and the environments that they may use."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="lab_limits")
    memory_mib = models.PositiveIntegerField(
        "memory (MiB)", null=True, blank=True, help_text=f"Of one Lab. 0: no limit. {EMPTY}"
    )
    cpu_limit = models.FloatField(
        "processors",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"That one Lab may keep busy, such as 1.5. 0: no limit. {EMPTY}",
    )
    process_limit = models.PositiveIntegerField(
        "processes", null=True, blank=True, help_text=f"With threads, of one Lab. 0: no limit. {EMPTY}"
    )
    disk_mib = models.PositiveIntegerField(
        "disk (MiB)",
        null=True,
        blank=True,
        help_text=f"Of one Lab's home and environment. 0: no limit. {EMPTY}",
    )
    file_limit = models.PositiveIntegerField(
        "files", null=True, blank=True, help_text=f"Of one Lab's home and changed environment. 0: no limit. {EMPTY}"
    )
    idle_hours = models.FloatField(
        "idle time (hours)",
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_HOURS)],
        help_text=f"Without use, after which a Lab is stopped. {EMPTY}",
    )
    life_hours = models.FloatField(
        "maximum life time (hours)",
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_HOURS)],
        help_text=f"From then on only what its person does keeps a Lab, not what computes. {EMPTY}",
    )
    environments = models.ManyToManyField(
        "lab.Environment",
        blank=True,
        related_name="+",
        help_text="For its people; of several groups that choose some, all of these. None: all that are for everybody.",
    )

    class Meta:
        ordering = ["group__name_key"]
        verbose_name = verbose_name_plural = "limits of groups"

    def __str__(self) -> str:
        return f"Lab limits of {self.group}"
