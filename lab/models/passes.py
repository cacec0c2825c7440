"""Tickets and passes, by which a browser enters a person's Lab."""

import uuid

from django.conf import settings
from django.db import models


class Ticket(models.Model):
    """Lets one browser enter one Lab once, within seconds. Only digests are stored."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, help_text="Key of the portal session that it came from.")
    state_digest = models.CharField(max_length=64, help_text="Of the cookie that the Lab's origin gave this browser.")
    place = models.CharField(max_length=4000, help_text="Path on the Lab's origin to open, from the first slash on.")
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"ticket of {self.user_id}"


class Pass(models.Model):
    """Lets one browser use one person's Lab as long as its portal session lives. Only the cookie's digest is stored."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(
        max_length=40, db_index=True, help_text="Key of the portal session; the pass ends with it."
    )
    auth_hash = models.CharField(
        max_length=128, help_text="Session hash of the password; the pass ends when it changes."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    server: tuple[uuid.UUID, str] | None = None
    """Id and token of the person's running server, where `gateway.find_pass` found one."""

    class Meta:
        verbose_name_plural = "passes"

    def __str__(self) -> str:
        return f"pass of {self.user_id}"
