"""The site's clock: queues the tasks of CELERY_BEAT_SCHEDULE when they are due.

A thread of the workers of the default queue, instead of a process of its own (`celery beat`). Any number of workers may
run, on any number of hosts: the one that has the lease, a key in Redis that ends by itself, is the clock, and another
takes over within LEASE_SECONDS when it dies. Short rounds are counted by the monotonic clock of the process, so that
nothing happens to them when somebody sets the time. When the others ran last (those of an hour and more, and those at
a time of day) is a row in the database, which is written after the task was queued: whoever dies in between has it
queued twice, and never not at all.
"""

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from celery import Celery, bootsteps
from celery.schedules import crontab, maybe_schedule
from django.db import DatabaseError, connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from portal.models import ScheduledTask

from .metrics import client

log = logging.getLogger(__name__)

LEASE = "clock"
"""Key in Redis: the worker that is the clock."""
LEASE_SECONDS = 6.0
LONGEST_PAUSE = 2.0
NOTED = timedelta(hours=1)
"""Rounds of this length and more are in the database."""
NOTED_EVERY = 20.0
"""Seconds between two looks at those."""
_HOLD = """
local holder, left = redis.call('get', KEYS[1]), redis.call('pttl', KEYS[1])
if holder and holder ~= ARGV[1] and left <= 2 * tonumber(ARGV[2]) then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
"""Redis ends keys by the time of day: one that has longer than any lease is of a holder that died before the clock was
set back.
"""
_GIVE_BACK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class ClockLease:
    """The right to be the clock, of one worker at a time."""

    def __init__(self, broker: redis.Redis, seconds: float = LEASE_SECONDS, key: str = LEASE) -> None:
        self.broker, self.milliseconds, self.key = broker, int(1000 * seconds), key
        self.holder = uuid.uuid4().hex

    def hold(self) -> bool:
        """Take or renew it; False while another has it, or the broker is away."""
        try:
            return bool(self.broker.eval(_HOLD, 1, self.key, self.holder, str(self.milliseconds)))
        except (redis.RedisError, OSError) as error:
            log.warning("the broker is unavailable to the clock: %s", error)
            return False

    def give_back(self) -> None:
        """Let another have it at once."""
        try:
            self.broker.eval(_GIVE_BACK, 1, self.key, self.holder)
        except (redis.RedisError, OSError) as error:
            log.debug("lease of the clock not given back: %s", error)


@dataclass
class Entry:
    """One line of the schedule."""

    name: str
    task: str
    schedule: Any
    """Of celery.schedules."""
    options: Mapping[str, Any]
    due: float = 0.0
    """When a short round is due (monotonic)."""

    @property
    def is_noted(self) -> bool:
        """True for what comes seldom."""
        return isinstance(self.schedule, crontab) or self.seconds >= NOTED.total_seconds()

    @property
    def seconds(self) -> float:
        """Length of a round."""
        return float(self.schedule.run_every.total_seconds())


class Clock(threading.Thread):
    """Queues what is due, while this worker has the lease."""

    def __init__(self, app: Celery, lease: ClockLease) -> None:
        super().__init__(name="clock", daemon=True)
        self.app, self.lease = app, lease
        self.entries = [
            Entry(name, line["task"], maybe_schedule(line["schedule"], app=app), line.get("options", {}))
            for name, line in app.conf.beat_schedule.items()
        ]
        for entry in self.entries:
            entry.due = 0.0 if entry.is_noted else time.monotonic() + entry.seconds
        self._stopping = threading.Event()
        self._noted_due = 0.0

    def run(self) -> None:
        """Look again and again until `stop`; whatever goes wrong, the next look may go well."""
        while not self._stopping.is_set():
            pause = LONGEST_PAUSE
            try:
                if self.lease.hold():
                    pause = self.look()
            except Exception:
                log.exception("the clock has failed, and goes on")
            self._stopping.wait(pause)
        self.lease.give_back()

    def stop(self) -> None:
        """Have another worker be the clock."""
        self._stopping.set()
        self.join(LONGEST_PAUSE)

    def look(self) -> float:
        """Queue what is due; returns the seconds until the next look."""
        now = time.monotonic()
        for entry in self.entries:
            if not entry.is_noted and entry.due <= now and self._queue(entry):
                entry.due = now + entry.seconds
        if self._noted_due <= now:
            self._noted_due = now + NOTED_EVERY
            self._look_at_noted()
        short = [entry.due for entry in self.entries if not entry.is_noted]
        return min(max(0.05, min(short, default=now + LONGEST_PAUSE) - time.monotonic()), LONGEST_PAUSE)

    def _look_at_noted(self) -> None:
        try:
            rows = dict(ScheduledTask.objects.values_list("name", "last_run_at"))
            for entry in self.entries:
                last, now = rows.get(entry.name), timezone.now()
                if not entry.is_noted:
                    continue
                # One that is new waits for its time; a last time in the future is that of a clock that was set back.
                is_new = last is None or last > now
                if is_new or (self._is_due(entry, last or now) and self._queue(entry)):
                    ScheduledTask.objects.update_or_create(name=entry.name, defaults={"last_run_at": now})
        except DatabaseError as error:
            log.warning("the database is unavailable to the clock: %s", error)
        finally:
            connections.close_all()

    def _is_due(self, entry: Entry, last: datetime) -> bool:
        """True if its time has come since then."""
        return bool(entry.schedule.is_due(last.astimezone(self.app.timezone))[0])

    def _queue(self, entry: Entry) -> bool:
        """False if the broker is away: it stays due."""
        try:
            self.app.send_task(entry.task, **entry.options)
        except (OperationalError, OSError) as error:
            log.warning("broker unavailable, %s not queued: %s", entry.task, error)
            return False
        return True


class ClockStep(bootsteps.StartStopStep):
    """Part of a Celery worker: the clock, in workers of the default queue."""

    def __init__(self, parent: Any, **options: Any) -> None:
        self.clock: Clock | None = None
        super().__init__(parent, **options)

    def include_if(self, parent: Any) -> bool:
        """True in a worker of the default queue."""
        return parent.app.conf.task_default_queue in parent.app.amqp.queues.consume_from

    def start(self, parent: Any) -> None:
        """Begin to be, or wait to become, the clock."""
        self.clock = Clock(parent.app, ClockLease(client()))
        self.clock.start()

    def stop(self, parent: Any) -> None:
        """Give it to another worker."""
        if self.clock:
            self.clock.stop()
            self.clock = None

    terminate = stop
