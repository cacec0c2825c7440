"""How long the rows of each table are kept: those that the nightly pruning removes, and why all others stay bounded.

A rule never selects what people still see or can still use: an unread notice, an invitation that is open, a person's
last server, a token or link that works. A setting of 0 days keeps the rows for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from api.models import Token
from collabs.models import Invitation, JoinRequest
from console.models import Announcement, FailedTask
from drive.models import Loss, PublicLink, Trashed, UploadLink
from lab.models import Pause, Presence, Server, State
from lab.models.builds import LIVE_BUILDS, Build
from notices.models import Mail, Notice
from portal.models import AuditEntry, Session


@dataclass(frozen=True)
class Kind:
    """Rows of one table that are removed some days after they ended."""

    model: type[Model]
    old: Callable[[datetime], QuerySet[Any]]
    """Rows that ended before this time."""
    kept: str
    """Rule in words; `{}` is the number of days."""
    setting: str = ""
    """Setting with the number of days; 0: for ever."""
    fixed_days: int = 1
    """Where there is no setting."""
    is_archived: bool = False
    """Written to a file before they are removed (console.retention.archive)."""

    @property
    def days(self) -> int:
        """Days for which the rows are kept; 0: for ever."""
        return int(getattr(settings, self.setting)) if self.setting else self.fixed_days

    def rows(self, now: datetime) -> QuerySet[Any]:
        """Rows that are to be removed now."""
        return self.old(now - timedelta(days=self.days)) if self.days else self.model._base_manager.none()

    @property
    def in_words(self) -> str:
        """The rule with its days, and the setting that changes it."""
        if not self.days:
            return f"for ever ({self.setting}=0)"
        return self.kept.format(self.days) + (f" ({self.setting})" if self.setting else "")


def _ended(model: Any) -> Callable[[datetime], QuerySet[Any]]:
    """Rows with an expiry date that were revoked, or have expired, before a time."""
    return lambda until: model._base_manager.filter(Q(revoked_at__lt=until) | Q(expires_at__lt=until))


def _forgotten_sessions(until: datetime) -> QuerySet[UserSession]:
    """Entries of people's lists of sessions whose session is gone."""
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    return UserSession.objects.filter(~Exists(alive), last_seen_at__lt=until)


def _ended_servers(until: datetime) -> QuerySet[Server]:
    """All but each person's last one, which says why it ended and what was rescued; of the counted ones."""
    later = Server.objects.filter(Q(ended_at=None) | Q(ended_at__gt=OuterRef("ended_at")), owner=OuterRef("owner"))
    counted = ~Exists(Server.objects.not_counted(timezone.now()).filter(pk=OuterRef("pk")))
    return Server.objects.filter(counted, Exists(later), state__in=(State.STOPPED, State.FAILED), ended_at__lt=until)


def _ended_builds(until: datetime) -> QuerySet[Build]:
    """All but the last of each environment, and those whose directory may be in use."""
    later = Build.objects.filter(environment=OuterRef("environment"), asked_at__gt=OuterRef("asked_at"))
    return Build.objects.filter(Exists(later), prefix="", ended_at__lt=until).exclude(state__in=LIVE_BUILDS)


def _seen_notices(until: datetime) -> QuerySet[Notice]:
    """Read ones; unread ones only of accounts that are inactive."""
    seen = Q(read_at__lt=until) | Q(user__is_active=False, created_at__lt=until)
    return Notice.objects.filter(seen).exclude(mail=Mail.WAITING)


def _answered_losses(until: datetime) -> QuerySet[Loss]:
    """Answered, and with nothing left in the trash that could be brought back together."""
    return Loss.objects.filter(~Exists(Trashed.objects.filter(loss=OuterRef("pk"))), answered_at__lt=until)


KINDS = (
    Kind(Session, lambda until: Session.objects.filter(expire_date__lt=until), "{} day after they expired"),
    Kind(UserSession, _forgotten_sessions, "{} day after their session is gone"),
    Kind(
        AuditEntry,
        lambda until: AuditEntry.objects.filter(at__lt=until),
        "{} days, then in AUDIT_ARCHIVE",
        "AUDIT_KEEP_DAYS",
        is_archived=True,
    ),
    Kind(
        LogEntry,
        lambda until: LogEntry.objects.filter(action_time__lt=until),
        "{} days, then in AUDIT_ARCHIVE",
        "AUDIT_KEEP_DAYS",
        is_archived=True,
    ),
    Kind(Notice, _seen_notices, "{} days after they were read; unread ones until then", "NOTICE_KEEP_DAYS"),
    Kind(Invitation, _ended(Invitation), "{} days after they ended", "INVITATION_KEEP_DAYS"),
    Kind(
        JoinRequest,
        lambda until: JoinRequest.objects.filter(decided_at__lt=until),
        "{} days after the answer",
        "INVITATION_KEEP_DAYS",
    ),
    Kind(Token, _ended(Token), "{} days after they ended", "TOKEN_KEEP_DAYS"),
    Kind(
        PublicLink,
        lambda until: PublicLink.objects.filter(revoked_at__lt=until),
        "{} days after they were revoked",
        "LINK_KEEP_DAYS",
    ),
    Kind(
        UploadLink,
        lambda until: UploadLink.objects.filter(revoked_at__lt=until),
        "{} days after they were revoked, with the names of what was uploaded through them",
        "LINK_KEEP_DAYS",
    ),
    Kind(Loss, _answered_losses, "{} days after the answer", "TRASH_KEEP_DAYS"),
    Kind(Server, _ended_servers, "{} days after their end; each person's last for ever", "LAB_SERVER_KEEP_DAYS"),
    Kind(
        Presence,
        lambda until: Presence.objects.filter(seen_at__lt=until),
        "{} day after the file was last seen open",
    ),
    Kind(Build, _ended_builds, "{} days after their end; each environment's last for ever", "LAB_BUILD_KEEP_DAYS"),
    Kind(
        Announcement,
        lambda until: Announcement.objects.filter(ends_at__lt=until),
        "{} days after their end",
        "ANNOUNCEMENT_KEEP_DAYS",
    ),
    Kind(
        Pause,
        lambda until: Pause.objects.filter(ends_at__lt=until),
        "{} days after their end",
        "ANNOUNCEMENT_KEEP_DAYS",
    ),
    Kind(
        FailedTask,
        lambda until: FailedTask.objects.filter(failed_at__lt=until),
        "{} days",
        "FAILED_TASK_KEEP_DAYS",
    ),
)
"""What the nightly pruning removes, in this order."""
