"""Whether the parts that the site is made of answer.

Each part is asked in a thread of its own, and waited for only so long: one that hangs (a network disk, a database
behind a dead route) must not hang whoever asks. A part that still hangs is not asked again until it has answered, so a
monitor that asks every second leaves one thread there, not thousands. Answers are believed for a moment: strangers may
ask too.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from django.core.cache import caches
from django.db import connection, connections

from portal import hooks

from . import database_version, task_queue
from .cache import SharedCache

log = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that all parts together are given."""
ANSWER_SECONDS = 1.0
"""Seconds for which an answer is given again."""


class HealthCheckError(Exception):
    """Why a part does not do its work, in words for an operator."""


@dataclass(frozen=True)
class Part:
    """Something that the site stands on. `check` raises when it does not do its work."""

    name: str
    check: Callable[[], object]
    needed: bool = True
    """Without it no page can be shown. Without the others pages still read, and say what cannot be done now."""


@dataclass(frozen=True)
class PartStatus:
    """How it is with one part."""

    name: str
    ok: bool
    needed: bool
    milliseconds: float
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """For operators."""
        said = {"status": "ok" if self.ok else "failed", "milliseconds": round(self.milliseconds, 1)}
        return said | ({"why": self.why} if self.why else {})


def parts() -> list[Part]:
    """The portal's own, and those that the apps above it name."""
    own = [
        Part("database", _database),
        Part("migrations", _migrations),
        Part("broker", _broker, needed=False),
        Part("cache", _cache, needed=False),
    ]
    return [*own, *(part for found in hooks.collect("readiness") for part in found)]


def overall_status(statuses: list[PartStatus]) -> str:
    """`ok`; `degraded` when something is away that pages do without; `failed` when they cannot be shown."""
    failed = [status for status in statuses if not status.ok]
    if any(status.needed for status in failed):
        return "failed"
    return "degraded" if failed else "ok"


class HealthChecker:
    """Asks the parts, one round at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[PartStatus]] = {}
        self._last: tuple[float, list[PartStatus]] = (float("-inf"), [])

    def ask(self, wanted: list[Part] | None = None, timeout: float | None = None) -> list[PartStatus]:
        """How each part is, within `timeout` seconds (TIMEOUT)."""
        with self._lock:
            asked, statuses = self._last
            if time.monotonic() - asked > ANSWER_SECONDS:
                statuses = self._ask(parts() if wanted is None else wanted, TIMEOUT if timeout is None else timeout)
                self._last = (time.monotonic(), statuses)
            return statuses

    def forget(self) -> None:
        """Ask anew, whatever was answered a moment ago."""
        self._last = (float("-inf"), [])

    def _ask(self, wanted: list[Part], timeout: float) -> list[PartStatus]:
        for part in wanted:
            if part.name not in self._running:
                self._running[part.name] = _start(part)
        asked = {part.name: self._running[part.name] for part in wanted}
        wait(asked.values(), timeout=timeout)
        for name, future in asked.items():
            if future.done():
                del self._running[name]
        return [_status(part, asked[part.name], timeout) for part in wanted]


def _start(part: Part) -> Future[PartStatus]:
    """In a daemon thread, which one that hangs for ever does not keep the process from ending."""
    future: Future[PartStatus] = Future()
    threading.Thread(target=_run, args=(part, future), name=f"health-{part.name}", daemon=True).start()
    return future


def _run(part: Part, future: Future[PartStatus]) -> None:
    began, why = time.perf_counter(), ""
    try:
        part.check()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        log.warning("%s does not do its work: %s", part.name, why)
    finally:
        connections.close_all()  # this thread's
    future.set_result(PartStatus(part.name, not why, part.needed, (time.perf_counter() - began) * 1000, why))


def _status(part: Part, future: Future[PartStatus], timeout: float) -> PartStatus:
    if future.done():
        return future.result()
    return PartStatus(part.name, False, part.needed, timeout * 1000, f"no answer within {timeout:g} seconds")


# The portal's own parts


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    """All migrations of the code are applied, and none of a newer version."""
    if reason := database_version.refusal(connection):
        raise HealthCheckError(reason)
    missing = database_version.difference(database_version.applied(connection)).missing
    if missing:
        raise HealthCheckError(f"{len(missing)} not applied: {database_version.names(missing)}")


def _broker() -> None:
    if not task_queue.answers():
        raise HealthCheckError("no answer")


def _cache() -> None:
    cache = caches["default"]  # `django.core.cache.cache` is a stand-in, of another class
    if isinstance(cache, SharedCache):
        cache.ask_shared()
        return
    cache.set("health", "ok", 10)
    if cache.get("health") != "ok":
        raise HealthCheckError("does not keep what it is given")


HEALTH = HealthChecker()
