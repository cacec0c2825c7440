"""Health checks of the site's parts: database, migrations, broker, cache, and those of the apps.

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
"""Seconds that all checks together may take."""
ANSWER_SECONDS = 1.0
"""Seconds for which a result is reused."""


class HealthCheckError(Exception):
    """Failed check, with the reason for an operator."""


@dataclass(frozen=True)
class Part:
    """Part that the site depends on. `check` raises if it does not work."""

    name: str
    check: Callable[[], object]
    needed: bool = True
    """True if no page works without it. Without the others, pages work and say what is unavailable."""


@dataclass(frozen=True)
class PartStatus:
    """Result of a part's check."""

    name: str
    ok: bool
    needed: bool
    milliseconds: float
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Status, duration and reason, for operators."""
        said = {"status": "ok" if self.ok else "failed", "milliseconds": round(self.milliseconds, 1)}
        return said | ({"why": self.why} if self.why else {})


def parts() -> list[Part]:
    """Parts of the portal itself and of the apps (hook `readiness`)."""
    own = [
        Part("database", _database),
        Part("migrations", _migrations),
        Part("broker", _broker, needed=False),
        Part("cache", _cache, needed=False),
    ]
    return [*own, *(part for found in hooks.collect("readiness") for part in found)]


def overall_status(statuses: list[PartStatus]) -> str:
    """`ok`; `degraded` without a part that pages do not need; `failed` without one that they need."""
    failed = [status for status in statuses if not status.ok]
    if any(status.needed for status in failed):
        return "failed"
    return "degraded" if failed else "ok"


class HealthChecker:
    """Runs the checks of all parts, in parallel and one round at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[PartStatus]] = {}
        self._last: tuple[float, list[PartStatus]] = (float("-inf"), [])

    def ask(self, wanted: list[Part] | None = None, timeout: float | None = None) -> list[PartStatus]:
        """Status of each part, within `timeout` seconds (default TIMEOUT)."""
        with self._lock:
            asked, statuses = self._last
            if time.monotonic() - asked > ANSWER_SECONDS:
                statuses = self._ask(parts() if wanted is None else wanted, TIMEOUT if timeout is None else timeout)
                self._last = (time.monotonic(), statuses)
            return statuses

    def forget(self) -> None:
        """Discard the last result."""
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
    """Run a check in a daemon thread, which does not keep the process alive if it hangs."""
    future: Future[PartStatus] = Future()
    threading.Thread(target=_run, args=(part, future), name=f"health-{part.name}", daemon=True).start()
    return future


def _run(part: Part, future: Future[PartStatus]) -> None:
    began, why = time.perf_counter(), ""
    try:
        part.check()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        log.warning("health check of %s failed: %s", part.name, why)
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
