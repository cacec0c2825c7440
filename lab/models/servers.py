"""Servers: one row per run of a person's Jupyter server, its states and why it ended.

A server's states, and who moves it (always by a conditional update whose row count is read)::

    requested ──launch──> starting ──launch──> running
        │                    │                    │
        │ stop               └── stop, failure ───┴──> stopping ──stop task──> stopped | failed
        └──────────────────────────────────────────────────────────────────────>

The four states on the way are *live*: the database allows one live server per person. A row says stopped or failed only
after the launcher has seen every process gone and everything of the server deleted.
"""

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from lab.formats import duration
from portal.models import User

from .environments import Environment


class State(models.TextChoices):
    REQUESTED = "requested", "requested"
    STARTING = "starting", "starting"
    RUNNING = "running", "running"
    STOPPING = "stopping", "stopping"
    STOPPED = "stopped", "stopped"
    FAILED = "failed", "failed"


LIVE = (State.REQUESTED, State.STARTING, State.RUNNING, State.STOPPING)
WITH_SANDBOX = (State.STARTING, State.RUNNING)


class Phase(models.TextChoices):
    """Progress within a state, shown to the waiting person."""

    QUEUED = "queued", gettext_lazy("Waiting for its turn")
    PREPARING = "preparing", gettext_lazy("Preparing your environment and your Drive")
    AWAITING = "awaiting", gettext_lazy("What starts Labs does not respond; the start is tried again")
    JUPYTER = "jupyter", gettext_lazy("Starting Jupyter")
    READY = "ready", gettext_lazy("Ready")
    CLOSING = "closing", gettext_lazy("Ending what still runs")
    RESCUING = "rescuing", gettext_lazy("Copying notebooks and texts to your Drive")
    DELETING = "deleting", gettext_lazy("Deleting the environment")
    GONE = "gone", gettext_lazy("Gone")


class StopReason(models.TextChoices):
    """Why a server ended. `Server.stop_sentence` says it to its person."""

    ASKED = "asked", "its person stopped it"
    OPERATOR = "operator", "an operator stopped it"
    IDLE = "idle", "idle"
    AGE = "age", "too old, though busy"
    UNREACHABLE = "unreachable", "did not answer for too long"
    DEACTIVATED = "deactivated", "account deactivated"
    SIGNED_OUT = "signed-out", "its person signed out"
    ACCESS = "access", "a library it was using was taken away"
    DIED = "died", "it died"
    START_FAILED = "start-failed", "it did not start"


FAILURES = (StopReason.DIED, StopReason.START_FAILED)
ERRORS = (
    gettext_noop("Jupyter ended while it was starting."),
    gettext_noop("Its environment is missing or incomplete. An operator has to build it again."),
    gettext_noop("bubblewrap could not build the sandbox."),
    gettext_noop("The Hub no longer runs it."),
    gettext_noop("The Hub could not start it. An operator finds the reason in the Hub's log."),
)
"""Sentences of the launchers in `Server.error`, which know no languages; translated where they are shown."""


DUE_WITHIN = timedelta(minutes=15)
"""No running server is left longer without a look."""


def stops_at(
    began: datetime, last: datetime, by_hand: datetime, keep_until: datetime | None, limit: timedelta, age: timedelta
) -> datetime:
    """Time at which a server is stopped if nothing changes. docs/explanation/idle.md has the rule in words.

    `began`: from when on it ages; `last`, `by_hand`: its last use, and its person's; `limit`: how long without use;
    `age`: from when on only what its person does counts.
    """
    by_age = max(began + age, by_hand + limit)
    return max(min(last + limit, by_age), keep_until or began)


class ServerQuerySet(models.QuerySet["Server"]):
    def live(self) -> Self:
        """Requested, starting, running or stopping."""
        return self.filter(state__in=LIVE)

    def running(self) -> Self:
        return self.filter(state=State.RUNNING)

    def due(self, now: datetime) -> Self:
        """Running servers that the reaper should look at, longest due first. Reads one index, however many run."""
        return self.filter(state=State.RUNNING, due_at__lte=now).order_by("due_at")

    def due_too_late(self, now: datetime) -> Self:
        """Running servers whose next look was planned before the clock was set back. Reads the same index."""
        return self.filter(state=State.RUNNING, due_at__gt=now + DUE_WITHIN).order_by("due_at")

    def not_counted(self, now: datetime) -> Self:
        """Servers that ran, or had the processor, since that was last counted (console.usage)."""
        end = Least(Coalesce("ended_at", now), now)
        ran = Q(counted_until=None) | Q(counted_until__lt=end) | Q(cpu_seconds__gt=F("cpu_counted"))
        return self.filter(ran, started_at__lt=end)

    def note_processor_time(self, seconds: dict[uuid.UUID, float]) -> None:
        """Write down how long each server has had the processor. It only grows: reading it twice changes nothing."""
        for pk, most in seconds.items():
            self.filter(pk=pk, cpu_seconds__lt=most).update(cpu_seconds=most)

    def queue_position(self, server: "Server") -> int:
        """1 for the server that is started next. Launches are taken in the order of their request."""
        earlier = Q(requested_at__lt=server.requested_at) | Q(requested_at=server.requested_at, pk__lt=server.pk)
        return self.filter(earlier, state=State.REQUESTED).count() + 1

    def of(self, user: User) -> "Server | None":
        """The person's live server, else the one that ended last."""
        return self.latest_of(user).first()

    def latest_of(self, user: User) -> Self:
        """The person's servers: the live one first, then those that ended last."""
        return self.filter(owner=user).order_by(F("ended_at").desc(nulls_first=True), "-requested_at")

    def move(self, server: "Server", *states: State, to: State, **changes: Any) -> bool:
        """Go from one of `states` to `to`; False, and nothing changed, when it is in none of them (any more).

        The one way to change a state: of two that try at once, one gets True. `server` then shows the new values.
        """
        changes |= {"state": to, "changed_at": timezone.now()}
        if not self.filter(pk=server.pk, state__in=states).update(**changes):
            return False
        for name, value in changes.items():
            setattr(server, name, value)
        return True


def new_token() -> str:
    """A random token that the proxy sends to one server."""
    return secrets.token_urlsafe(32)


class Server(models.Model):
    """One run of one person's Jupyter server, from the request to its end. Rows stay: they are its history."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="servers")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="servers")
    state = models.CharField(max_length=10, choices=State.choices, default=State.REQUESTED)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.QUEUED)
    place = models.CharField(max_length=2000, blank=True, help_text="Location to open: a path in the Drive.")
    token = models.CharField(max_length=64, default=new_token, editable=False)

    requested_at = models.DateTimeField(default=timezone.now)
    starting_at = models.DateTimeField(null=True, blank=True, help_text="Time at which a worker took up the launch.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="Time of Jupyter's first answer.")
    stopping_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Time at which all processes and files were gone.")
    changed_at = models.DateTimeField(default=timezone.now, help_text="Time of the last change of state.")

    last_interaction = models.DateTimeField(
        null=True, blank=True, help_text="Time of the last interaction, as last read; only moves forward."
    )
    last_by_hand = models.DateTimeField(
        null=True, blank=True, help_text="Time of its person's last input, as last read."
    )
    keep_until = models.DateTimeField(null=True, blank=True, help_text="Not stopped as idle before this time.")
    warned_for = models.DateTimeField(null=True, blank=True, help_text="Time of the end that its person was warned of.")
    unreachable_since = models.DateTimeField(
        null=True, blank=True, help_text="Time of the first failed check since the last answer."
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="Time of the reaper's next look.")
    looked_at = models.DateTimeField(null=True, blank=True, help_text="Time of the reaper's last look.")
    unseen = models.DurationField(
        default=timedelta,
        help_text="Time of its life that does not count, as nobody looked: sleep, an outage, a clock that was set.",
    )

    counted_until = models.DateTimeField(
        null=True, editable=False, help_text="Until when its time is part of its person's monthly usage."
    )

    cpu_seconds = models.FloatField(default=0, help_text="Processor time of all its processes so far, as last read.")
    cpu_counted = models.FloatField(
        default=0, editable=False, help_text="As much of it is part of its person's monthly usage."
    )

    stop_reason = models.CharField(max_length=20, choices=StopReason.choices, blank=True)
    error = models.TextField(blank=True, help_text="Error, in a sentence for its person.")
    log_tail = models.TextField(blank=True, help_text="Last lines of Jupyter's log, after a failure.")
    notes = models.JSONField(default=list, blank=True, help_text="Messages to its person, such as a stopped kernel.")
    rescued = models.JSONField(
        null=True, blank=True, help_text="Result of the rescue: files copied to the Drive at its end."
    )
    rescue_failures = models.PositiveSmallIntegerField(default=0)
    memory_limit = models.PositiveBigIntegerField(
        default=0, help_text="Bytes that its processes could use together when it was started; 0: no limit."
    )
    memory_kills = models.PositiveIntegerField(
        default=0, help_text="How many of its processes were ended because it had reached that limit."
    )
    disk_limit = models.PositiveBigIntegerField(
        default=0, help_text="Bytes that its home and its changed environment could take up; 0: no limit."
    )
    disk_kills = models.PositiveIntegerField(
        default=0, help_text="How many of its processes were ended because they took up more."
    )
    file_limit = models.PositiveIntegerField(
        default=0, help_text="Files and folders that its home and its changed environment could have; 0: no limit."
    )
    file_kills = models.PositiveIntegerField(
        default=0, help_text="How many of its processes were ended because they had more."
    )
    drive_file_kills = models.PositiveIntegerField(
        default=0, help_text="How many of its processes were ended because of the files they made in the Drive."
    )
    idle_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Without use, after which it is stopped, as said when it was started."
    )
    life_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="From then on only what its person does keeps it; as said when it was started."
    )
    mounts_digest = models.CharField(max_length=64, blank=True, help_text="Digest of the mounts in its Drive.")

    again = models.BooleanField(default=False, help_text="Start a new one as soon as this one is gone.")
    again_place = models.CharField(max_length=2000, blank=True)
    again_environment = models.ForeignKey(
        Environment,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Environment of the next server.",
    )
    ended_by_task_until = models.DateTimeField(
        null=True, blank=True, help_text="A stop task is at work on it; taken over when this has passed."
    )

    objects = ServerQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"], condition=Q(state__in=LIVE), name="lab_one_live_server_per_person"
            )
        ]
        indexes = [
            models.Index(fields=["state", "due_at"]),
            models.Index(fields=["owner", "-ended_at"]),
        ]

    def __str__(self) -> str:
        return f"Lab of {self.owner.username}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def is_running(self) -> bool:
        return self.state == State.RUNNING

    @property
    def is_on_the_way(self) -> bool:
        """Somebody who waits should see progress: it starts, or ends to make place for the next one."""
        return self.state in (State.REQUESTED, State.STARTING) or (self.state == State.STOPPING and self.again)

    @property
    def idle_at(self) -> datetime | None:
        """Time at which it is stopped if it stays idle."""
        began = self.ages_from
        if not self.is_running or not began:
            return None
        last, by_hand = self.last_interaction or began, self.last_by_hand or began
        return stops_at(began, last, by_hand, self.keep_until, self.idle_limit, self.max_age)

    @property
    def idle_limit(self) -> timedelta:
        """Time without use after which it is stopped; the site's where nobody said at its start."""
        return timedelta(seconds=self.idle_seconds or settings.LAB_IDLE_LIMIT)

    @property
    def max_age(self) -> timedelta:
        """Age from which on only what its person does keeps it."""
        return timedelta(seconds=self.life_seconds or settings.LAB_MAX_AGE)

    @property
    def ages_from(self) -> datetime | None:
        """Start of what counts of its life for `max_age`."""
        return self.started_at + self.unseen if self.started_at else None

    @property
    def seconds_left(self) -> int | None:
        """At least so many seconds until it counts as idle: use since the last reading only adds to it."""
        return max(0, round((self.idle_at - timezone.now()).total_seconds())) if self.idle_at else None

    @property
    def time_left(self) -> str:
        """`seconds_left` in words; empty when it does not run."""
        return "" if self.seconds_left is None else duration(self.seconds_left)

    @property
    def stop_sentence(self) -> str:
        """Reason of its end, as a sentence for its person; empty while it lives."""
        idle, busy = duration(self.idle_limit.total_seconds()), duration(self.max_age.total_seconds())
        error = gettext(self.error) if self.error else ""
        died = gettext("It ended unexpectedly: %(error)s") if error else gettext("It ended unexpectedly.")
        failed = gettext("It did not start: %(error)s") if error else gettext("It did not start.")
        sentences = {
            StopReason.ASKED: gettext("You stopped it."),
            StopReason.OPERATOR: gettext("An operator stopped it."),
            StopReason.IDLE: gettext("It was idle for %(idle)s, so it was stopped."),
            StopReason.AGE: gettext("It was busy for %(busy)s, the longest without anybody using it."),
            StopReason.UNREACHABLE: gettext("It did not answer for %(idle)s, so it was stopped."),
            StopReason.DEACTIVATED: gettext("The account was deactivated."),
            StopReason.SIGNED_OUT: gettext("You signed out of your last browser, which stops the Lab on this site."),
            StopReason.ACCESS: gettext("It was using a library that you no longer have access to, so it was stopped."),
            StopReason.DIED: died,
            StopReason.START_FAILED: failed,
        }
        if not self.stop_reason:
            return ""
        return sentences[StopReason(self.stop_reason)] % {"idle": idle, "busy": busy, "error": error}
