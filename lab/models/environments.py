"""Environments that a Lab can be started in, and which one a Collab or a person has chosen."""

from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from lab import conda_spec


class EnvironmentKind(models.TextChoices):
    """Tool that builds an environment."""

    VENV = "venv", "venv (pip)"
    CONDA = "conda", "conda"


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    def ready(self) -> Self:
        """Environments that are installed, as opposed to still to be built.

        With a JupyterHub only the default: whatever is asked for, the Hub starts its own image.
        """
        installed = self.exclude(prefix="")
        if settings.LAB_LAUNCHER != "jupyterhub":
            return installed
        return installed.filter(pk__in=installed.in_order().values("pk")[:1])

    def in_order(self) -> Self:
        return self.order_by("-is_default", "is_retired", "pk")

    def default(self) -> "Environment | None":
        """Environment of people who did not choose; None while none is registered."""
        return self.exclude(prefix="").in_order().first()


class Environment(models.Model):
    """A Python installation on disk, shared read-only by all servers that run in it."""

    slug = models.SlugField(unique=True, help_text="Such as base.")
    name = models.CharField(max_length=100, help_text="Name shown to users, such as “Scientific Python”.")
    description = models.TextField(blank=True, help_text="Contents, in a sentence or two.")
    kind = models.CharField(max_length=10, choices=EnvironmentKind, default=EnvironmentKind.VENV)
    packages = models.TextField(
        blank=True,
        help_text="To be built by the site: what pip or conda installs, one per line, beside JupyterLab. "
        "Empty: made by hand at the prefix.",
    )
    channels = models.TextField(
        blank=True,
        help_text="For conda: where packages come from, a name or https address per line, the first one first. "
        "Empty: conda-forge.",
    )
    prefix = models.CharField(
        max_length=500,
        blank=True,
        validators=[RegexValidator(r"\A/[^,:\n]+\Z", "An absolute path without commas and colons.")],
        help_text="Absolute path of an installation that has JupyterLab, without commas and colons. A build sets it.",
    )
    is_default = models.BooleanField(default=False, help_text="Environment of users who did not choose one.")
    is_retired = models.BooleanField(
        "retired",
        default=False,
        help_text="No longer offered. Users who have chosen it, and links that name it, still get it.",
    )
    for_groups_only = models.BooleanField(
        default=False, help_text="Only people of groups whose limits name it may use it."
    )
    by_fork = models.BooleanField(
        "instant launch",
        default=True,
        help_text="Fork servers from a process that has imported Jupyter already. Off: start each from nothing.",
    )

    memory_mib = models.PositiveIntegerField(
        "memory (MiB)", null=True, blank=True, help_text="Of one server; empty: LAB_MEMORY_LIMIT. 0: no limit."
    )
    cpu_limit = models.FloatField(
        "processors",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="That one server may keep busy, such as 1.5; empty: LAB_CPU_LIMIT. 0: no limit.",
    )
    process_limit = models.PositiveIntegerField(
        "processes",
        null=True,
        blank=True,
        help_text="With threads, of one server; empty: LAB_PROCESS_LIMIT. 0: none.",
    )

    disk_mib = models.PositiveIntegerField(
        "disk (MiB)",
        null=True,
        blank=True,
        help_text="Of one server's home and changes to this; empty: LAB_DISK_LIMIT. 0: no limit.",
    )
    file_limit = models.PositiveIntegerField(
        "files",
        null=True,
        blank=True,
        help_text="And folders, of one server's home and changes to this; empty: LAB_FILE_LIMIT. 0: no limit.",
    )

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint("is_default", condition=Q(is_default=True), name="lab_one_default_environment"),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(is_retired=False),
                name="lab_default_environment_not_retired",
                violation_error_message="The default cannot be retired: make another one the default first.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A conda environment's packages and channels are what they should be."""
        if self.kind == EnvironmentKind.CONDA and (wrong := conda_spec.check(self.packages, self.channels)):
            raise ValidationError(wrong)


class CollabEnvironment(models.Model):
    """Environment of Labs that are opened at a Collab's library. No row: the site's default."""

    collab = models.OneToOneField("collabs.Collab", on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey("lab.Environment", on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.environment_id} of {self.collab_id}"


class ChosenEnvironment(models.Model):
    """Environment that a person chose last. No row: the site's default."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey("lab.Environment", on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.environment_id} of {self.user_id}"
