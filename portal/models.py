"""User model, audit trail, sessions, version of the database, last runs of scheduled tasks."""

import uuid
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy

from . import audit_sentences, hooks
from .usernames import validate_username


class NotebookView(models.TextChoices):
    """What a person's notebooks open in (lab/environments/simple_view.py)."""

    JUPYTERLAB = "jupyterlab", "JupyterLab"
    SIMPLE = "simple", "Simple view"


class User(AbstractUser):
    """Person with an account. The username is a DNS label, part of the Lab's origin: `<username>.lab.<domain>`."""

    uuid = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="Never changes and is never reused."
    )
    username = models.CharField(
        max_length=32,
        unique=True,
        validators=[validate_username],
        error_messages={"unique": gettext_lazy("This username is taken.")},
        help_text=gettext_lazy(
            "Lower-case letters, digits and hyphens, starting with a letter; part of the Lab's address."
        ),
    )

    notebook_view = models.CharField(
        max_length=16,
        choices=NotebookView,
        default=NotebookView.JUPYTERLAB,
        help_text="What the person's notebooks open in.",
    )

    deleted_at = models.DateTimeField(null=True, editable=False, help_text="When the person deleted the account.")
    language = models.CharField(
        max_length=10,
        blank=True,
        help_text="Of pages and mails (portal.languages). Empty: as the browser asks; mails in the site's first.",
    )

    terms_version = models.CharField(
        max_length=100,
        blank=True,
        editable=False,
        help_text="Version of the terms of use that the person accepted last.",
    )
    terms_accepted_at = models.DateTimeField(null=True, editable=False)

    only_libraries: frozenset[UUID] | None = None
    """Ids of the libraries that a request may reach whose token is limited to some; None: no limit. No column."""

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; the first save also runs the `user_created` hooks."""
        if not self._state.adding:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():  # no account without its library
            super().save(*args, **kwargs)
            hooks.run("user_created", user=self)

    @property
    def display_name(self) -> str:
        """Full name if given, else the username."""
        return self.get_full_name() or self.username


class DirectoryAccount(models.Model):
    """Account of a person in the LDAP directory (portal.accounts.directory)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="directory_account")
    uid = models.CharField(max_length=200, unique=True, help_text="What identifies the person in the directory.")
    dn = models.TextField(help_text="Where the person was in the directory at the last sign-in.")
    since = models.DateTimeField(auto_now_add=True)
    gone_at = models.DateTimeField(null=True, help_text="When the account was closed as the person was gone from it.")

    checked_at = models.DateTimeField(null=True, help_text="When the directory was last asked for the person.")
    absent_since = models.DateTimeField(
        null=True, help_text="Since when it has not had the person, each time it was asked, while the account is open."
    )

    def __str__(self) -> str:
        return self.dn


class AuditEntry(models.Model):
    """Audit entry: who did what to which object. Written by `portal.audit.record` only; never edited."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(
        max_length=150, help_text="Username at that time; “system” for the site itself, or “command line”."
    )
    verb = models.CharField(max_length=64, db_index=True, help_text="Name of the action, such as collab.member.added.")
    target_type = models.ForeignKey(ContentType, null=True, on_delete=models.SET_NULL, related_name="+")
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=255)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["target_type", "target_id"])]
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"

    def __str__(self) -> str:
        return f"{self.actor_name} {self.did}: {self.target_name}"

    @property
    def did(self) -> str:
        """What was done, in words."""
        return audit_sentences.phrase(self.verb)

    @property
    def said(self) -> str:
        """The details, in words."""
        return audit_sentences.sentences(self.details)


class Session(AbstractBaseSession):
    """Browser session with its person, so that all sessions of a person can be ended with one query."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """Session store that reads and writes these rows."""
        engine: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        return engine


class DatabaseVersion(models.Model):
    """Version of the code that brought the database up to date; the newest row is that of now.

    Later versions of the code keep `id` and `version`: earlier ones read them, to say which version they are behind.
    """

    version = models.CharField(max_length=50)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.version


class ScheduledTask(models.Model):
    """When a task of the schedule that comes seldom was queued last (portal.ops.clock)."""

    name = models.CharField(max_length=100, primary_key=True, help_text="Of its line in CELERY_BEAT_SCHEDULE.")
    last_run_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
