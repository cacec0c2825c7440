"""Which environment a Collab, or a person, has chosen."""

from django.conf import settings
from django.db import models


class EnvironmentKind(models.TextChoices):
    """What builds it."""

    VENV = "venv", "venv (pip)"
    CONDA = "conda", "conda"


class CollabEnvironment(models.Model):
    """What a Lab starts in when it is opened at a Collab's library. No row: the site's default."""

    collab = models.OneToOneField("collabs.Collab", on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey("lab.Environment", on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.environment_id} of {self.collab_id}"


class ChosenEnvironment(models.Model):
    """What a person chose last on the Lab's page. No row: the site's default."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    environment = models.ForeignKey("lab.Environment", on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.environment_id} of {self.user_id}"
