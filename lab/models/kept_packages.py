"""Packages that a person, or a Collab, wants in each new Lab, and what people answered to a Collab's list."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class PackageList(models.Model):
    """Requirements that `pip install` gets in each new Lab: of one person, or of one Collab. No row: none."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    collab = models.OneToOneField("collabs.Collab", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    text = models.TextField(help_text="A requirement per line, as in a requirements.txt.")
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, collab__isnull=True) | Q(user__isnull=True, collab__isnull=False),
                name="lab_package_list_of_one_owner",
            )
        ]

    def __str__(self) -> str:
        return f"packages of {self.user or self.collab}"


class PackageAnswer(models.Model):
    """A person's answer to the question whether a Collab's packages, as they were then, are installed in their Lab."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    collab = models.ForeignKey("collabs.Collab", on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the requirements; of other ones it is asked again.")
    installs = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "collab"], name="lab_one_package_answer")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.collab_id}: {'yes' if self.installs else 'no'}"
