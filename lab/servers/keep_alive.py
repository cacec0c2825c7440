"""Keeping an idle Lab: its person is warned before it is stopped, and may keep it for some hours.

docs/explanation/idle.md says when a Lab is idle.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from lab.formats import span
from lab.models import Server, State
from notices.models import Kind
from notices.services import notify
from portal import audit, languages
from portal.models import User

HOURS = (1, 4, 12, 24)
"""What is offered, as far as the limits allow."""
SAME_STRETCH = timedelta(minutes=5)
"""Readings of one moment differ by less: its person is warned once for each time that they leave it alone."""


def warn_before(server: Server) -> timedelta:
    """Time between the warning and the end."""
    return min(timedelta(seconds=settings.LAB_WARN_BEFORE), server.idle_limit / 4)


def look_before_warning(server: Server, at: datetime) -> datetime:
    """Time of the reaper's next look: not later than the warning is due."""
    warning = server.idle_at - warn_before(server) if server.idle_at else at
    return min(at, warning) if warning > timezone.now() else at


def warn(server: Server) -> bool:
    """Tell its person if it is about to be stopped and they do not know; True when they were told."""
    ends, now = server.idle_at, timezone.now()
    if ends is None or not now < ends <= now + warn_before(server):  # past: it does not answer, and goes on
        return False
    untold = Q(warned_for=None) | Q(warned_for__lt=ends - SAME_STRETCH)
    computes = bool(server.last_interaction and ends < server.last_interaction + server.idle_limit)
    with transaction.atomic():
        if not Server.objects.filter(untold, pk=server.pk, state=State.RUNNING).update(warned_for=ends):
            return False
        with languages.speaking_to(server.owner):
            subject = gettext("Your Lab will be stopped at %(time)s") % {"time": f"{timezone.localtime(ends):%H:%M}"}
            text = _computes() if computes else _idle()
            notify([server.owner], Kind.LAB_WARNING, subject=subject, text=text, url=reverse("lab:home"))
    return True


def _idle() -> str:
    return gettext(
        "It has been idle for a long time and will be stopped then, unless you use it or keep it for some "
        "hours. Files in your Drive are kept; notebooks and text files outside it are copied there first."
    )


def _computes() -> str:
    return gettext(
        "It still computes, but nobody has used it for a long time. It will be stopped then, unless you use it. "
        "Files in your Drive are kept; notebooks and text files outside it are copied there first."
    )


def hours_offered(server: Server) -> list[int]:
    """Hours from now for which its person may keep it, where that is longer than it stays anyway."""
    now = timezone.now()
    if not server.is_running or server.idle_at is None:
        return []
    return [h for h in HOURS if server.idle_at + SAME_STRETCH < now + timedelta(hours=h) <= _latest(server, now)]


def _latest(server: Server, now: datetime) -> datetime:
    oldest = (server.ages_from or now) + server.max_age
    return min(now + timedelta(seconds=settings.LAB_KEEP_LIMIT), oldest)


@transaction.atomic
def keep(actor: User, server: Server, hours: int) -> datetime | None:
    """Do not stop it for so many hours, though nobody uses it; until when. None: it ended, or that is too long."""
    now = timezone.now()
    until = now + timedelta(hours=hours)
    if hours not in HOURS or until > _latest(server, now):
        return None
    later = Q(keep_until=None) | Q(keep_until__lt=until)
    if not Server.objects.filter(later, pk=server.pk, state=State.RUNNING).update(keep_until=until):
        return None
    server.keep_until = until
    audit.record(actor, "lab.server.kept", server, until=until.isoformat(timespec="minutes"))
    return until


def warning_sentence(server: Server) -> str:
    """Warning with the time of the end, for a notice that stays on the screen."""
    at = timezone.localtime(server.idle_at) if server.idle_at else None
    return (
        gettext("Your Lab stops at %(at)s if it stays idle. Any use postpones this.") % {"at": f"{at:%H:%M}"}
        if at
        else ""
    )


def left_sentence(server: Server) -> str:
    """Sentence that says when it stops if it stays idle."""
    if server.idle_at is None:
        return ""
    at = timezone.localtime(server.idle_at)
    if at.date() == timezone.localdate():
        said = gettext("If it stays idle, it stops automatically in %(span)s, at %(time)s.")
    else:
        said = gettext("If it stays idle, it stops automatically in %(span)s, at %(time)s on %(day)s.")
    day = date_format(at, "DATE_FORMAT")
    return said % {"span": span(server.seconds_left or 0), "time": f"{at:%H:%M}", "day": day}
