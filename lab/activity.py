"""When is a server idle? One pure function, so that the rule can be read and tested as a table.

docs/explanation/idle.md says what counts and why. In short: input, saves, kernel messages, terminal output and busy
kernels are use; an open tab that polls is not. What a server says about time is corrected by the server's own clock
and never believed beyond now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

LOOK_EVERY = timedelta(minutes=10)
"""A running server is asked this often, so that what pages say about it is never older."""
ASK_AGAIN = timedelta(minutes=1)
"""When a server that should be looked at did not answer."""
LONG_AGO = timedelta(days=3650)
"""Older is not told apart; dates near year 1 cannot be computed with."""


@dataclass(frozen=True)
class Activity:
    """What a server says about itself, at `now` by its own clock."""

    now: datetime | None = None
    last_input: datetime | None = None
    last_save: datetime | None = None
    last_kernel_message: datetime | None = None
    last_terminal_output: datetime | None = None
    busy_kernels: int = 0
    kernels: int = 0
    terminals: int = 0


@dataclass(frozen=True)
class Facts:
    """All that the decision is made from."""

    started_at: datetime
    last_known: datetime
    """Interaction that was read earlier."""
    activity: Activity | None
    """None: it did not answer now."""
    unreachable_since: datetime | None = None
    """It has not answered since then."""


class Why(Enum):
    """What the verdict rests on."""

    USED = "used within the limit"
    BUSY = "a kernel is computing"
    SILENT = "it does not answer, its process lives"
    IDLE = "idle"
    AGE = "too old to be kept by a busy kernel alone"
    UNREACHABLE = "did not answer for the whole limit"


STOPS = (Why.IDLE, Why.AGE, Why.UNREACHABLE)


@dataclass(frozen=True)
class Verdict:
    """Whether to stop, and what to remember."""

    why: Why
    last_interaction: datetime
    look_again_at: datetime
    unreachable_since: datetime | None = None

    @property
    def idle(self) -> bool:
        return self.why in STOPS


def is_idle(facts: Facts, now: datetime, limit: timedelta, max_age: timedelta) -> Verdict:
    """Decide. `limit`: how long without interaction; `max_age`: how long busy kernels alone can keep a server."""
    if facts.activity is None:
        return _without_answer(facts, now, limit)
    old = now - facts.started_at >= max_age
    last = min(now, max(facts.last_known, *_moments(facts.activity, now, by_hand_only=old), facts.started_at))
    busy = facts.activity.busy_kernels > 0
    if busy and not old:
        return Verdict(Why.BUSY, now, now + min(LOOK_EVERY, limit))
    if now - last < limit:
        return Verdict(Why.USED, last, min(last + limit, now + LOOK_EVERY))
    return Verdict(Why.AGE if busy else Why.IDLE, last, now + ASK_AGAIN)


def _without_answer(facts: Facts, now: datetime, limit: timedelta) -> Verdict:
    """Its person may be computing so hard that Jupyter cannot answer: silence has to last the whole limit."""
    since = min(facts.unreachable_since or now, now)
    why = Why.UNREACHABLE if now - since >= limit else Why.SILENT
    return Verdict(why, min(facts.last_known, now), now + min(ASK_AGAIN, limit), unreachable_since=since)


def _moments(activity: Activity, now: datetime, *, by_hand_only: bool) -> list[datetime]:
    """When it was used, on our clock.

    Ages are measured on the server's clock, which may be wrong but runs as ours does.
    """
    moments = [activity.last_input]
    if not by_hand_only:
        moments += [activity.last_save, activity.last_kernel_message, activity.last_terminal_output]
    theirs = activity.now or now
    return [now - min(max(timedelta(0), theirs - moment), LONG_AGO) for moment in moments if moment]
