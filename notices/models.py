"""Notices to people about events, shown on the site and sent by e-mail according to each person's preferences."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from portal.models import User


class Kind(models.TextChoices):
    """Kind of notice; people choose for each whether it is also sent by e-mail."""

    INVITED = "invited", gettext_lazy("Somebody adds or invites me to a Collab")
    ROLE = "role", gettext_lazy("My role in a Collab changes or ends")
    REQUEST = (
        "request",
        gettext_lazy("Somebody asks to join a Collab that I administer, or answers a request or invitation"),
    )
    SHARE = "share", gettext_lazy("Somebody shares a library with me")
    UPLOADED = "uploaded", gettext_lazy("Somebody uploads files through an upload link of mine")
    LAB_STOPPED = "lab_stopped", gettext_lazy("My Lab was stopped (with a list of rescued files)")
    LAB_WARNING = "lab_warning", gettext_lazy("My Lab ran out of memory, or is about to be stopped")
    RUN_ENDED = "run_ended", gettext_lazy("A notebook that I let run in my Lab is done, or has failed")
    DONE = "done", gettext_lazy("Something of mine that took long is done: files copied, or restored")
    SIGN_IN = "sign_in", gettext_lazy("Somebody tries to sign in with my account")
    MASS_DELETION = "mass_deletion", gettext_lazy("A large part of one of my libraries is deleted at once")


MAILED = frozenset(
    {Kind.INVITED, Kind.REQUEST, Kind.SHARE, Kind.UPLOADED, Kind.RUN_ENDED, Kind.SIGN_IN, Kind.MASS_DELETION}
)
"""Kinds that are sent by e-mail by default."""


class Mail(models.TextChoices):
    """State of a notice's e-mail."""

    NONE = "none"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Queries for notices."""

    def unread(self, user: User) -> "NoticeQuerySet":
        """Unread notices of a person."""
        return self.filter(user=user, read_at=None)


class Notice(models.Model):
    """One notice to one person."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=500, blank=True, help_text="Page that the notice leads to: a path of this site.")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(max_length=8, choices=Mail, default=Mail.NONE)
    mail_tries = models.PositiveSmallIntegerField(default=0)
    mail_again_at = models.DateTimeField(null=True, blank=True, help_text="Time of the next attempt.")

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
    """Preference of a person for one kind of notice; without a row, `MAILED` is the default."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_wishes")
    kind = models.CharField(max_length=20, choices=Kind)
    by_mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="one_wish_per_kind")]

    def __str__(self) -> str:
        return f"{self.user}: {self.kind} {'by mail' if self.by_mail else 'in the site'}"
