"""Messages to people: what happened that they should know. In the site, and by mail as each person wishes."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.models import User


class Kind(models.TextChoices):
    """What a message is about; a person says for each whether it comes by mail too."""

    INVITED = "invited", "Somebody adds me to a Collab, or invites me"
    ROLE = "role", "My role in a Collab changes, or ends"
    REQUEST = "request", "Somebody asks to join a Collab of mine, or a request or invitation is answered"
    SHARE = "share", "Somebody shares a library with me"
    LAB_STOPPED = "lab_stopped", "My Lab was stopped, with what was rescued"
    LAB_WARNING = "lab_warning", "My Lab ran out of memory, or is about to be stopped"
    MASS_DELETION = "mass_deletion", "A large part of a library of mine vanishes at once"


MAILED = frozenset({Kind.INVITED, Kind.REQUEST, Kind.SHARE, Kind.MASS_DELETION})
"""Kinds that come by mail too until a person says otherwise."""


class Mail(models.TextChoices):
    """How far the mail of a notice is."""

    NONE = "none"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Questions about many notices."""

    def unread(self, user: User) -> "NoticeQuerySet":
        """What the person has not looked at."""
        return self.filter(user=user, read_at=None)


class Notice(models.Model):
    """One message to one person."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=500, blank=True, help_text="Where to go: a path of this site.")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(max_length=8, choices=Mail, default=Mail.NONE)
    mail_tries = models.PositiveSmallIntegerField(default=0)
    mail_again_at = models.DateTimeField(null=True, blank=True, help_text="No try before this.")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notices_of_person"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="notices_unread"),
            models.Index(fields=["mail_again_at"], condition=Q(mail="waiting"), name="notices_to_mail"),
        ]

    def __str__(self) -> str:
        return self.subject


class Wish(models.Model):
    """What a person said about one kind; without a row, `MAILED` decides."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_wishes")
    kind = models.CharField(max_length=20, choices=Kind)
    by_mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="one_wish_per_kind")]

    def __str__(self) -> str:
        return f"{self.user}: {self.kind} {'by mail' if self.by_mail else 'in the site'}"
