"""Idle culling: the rule by which a server is stopped, as one pure function that is read and tested as a table.

docs/explanation/idle.md says what counts and why. In short: input, saves, kernel messages, terminal output, busy
kernels and commands in terminals are use; an open tab that polls is not. What a server says about time is corrected by
the server's own clock and never believed beyond now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from .clients.activity import Activity

LOOK_EVERY = timedelta(minutes=10)
"""A running server is asked this often, so that what pages say about it is never older."""
ASK_AGAIN = timedelta(minutes=1)
"""When a server that should be looked at did not answer."""
LONG_AGO = timedelta(days=3650)
"""Older is not told apart; dates near year 1 cannot be computed with."""


@dataclass(frozen=True)
class Facts:
    """Input of the decision."""

    started_at: datetime
    last_known: datetime
    """Interaction that was read earlier."""
    activity: Activity | None
    """None: it did not answer now."""
    unreachable_since: datetime | None = None
    """It has not answered since then."""
    last_by_hand: datetime | None = None
    """Input that was read earlier."""
    keep_until: datetime | None = None
    """Its person asked for it not to be stopped before."""


class Why(Enum):
    """Ground of a verdict."""

    USED = "used within the limit"
    BUSY = "a kernel is computing, or a command runs in a terminal"
    SILENT = "it does not answer, its process lives"
    IDLE = "idle"
    AGE = "too old to be kept by what computes alone"
    UNREACHABLE = "did not answer for the whole limit"


STOPS = (Why.IDLE, Why.AGE, Why.UNREACHABLE)


@dataclass(frozen=True)
class Verdict:
    """Decision to stop or keep a server, and what its row remembers."""

    why: Why
    last_interaction: datetime
    look_again_at: datetime
    unreachable_since: datetime | None = None
    last_by_hand: datetime | None = None

    @property
    def idle(self) -> bool:
        return self.why in STOPS


def is_idle(facts: Facts, now: datetime, limit: timedelta, max_age: timedelta) -> Verdict:
    """Decide. `limit`: how long without interaction; `max_age`: from when on only what a person does counts."""
    if facts.activity is None:
        return _without_answer(facts, now, limit)
    busy = facts.activity.busy_kernels + facts.activity.running_commands > 0
    old = now - facts.started_at >= max_age
    inputs, others = _moments(facts.activity, now)
    by_hand = min(now, max(facts.last_by_hand or facts.started_at, facts.started_at, *inputs))
    last = min(now, max(facts.last_known, by_hand, *others))
    if busy and not old:
        return Verdict(Why.BUSY, now, now + min(LOOK_EVERY, limit), last_by_hand=by_hand)
    until = max((by_hand if old else last) + limit, facts.keep_until or facts.started_at)
    if now < until:
        return Verdict(Why.USED, last, min(until, now + LOOK_EVERY), last_by_hand=by_hand)
    return Verdict(Why.AGE if busy else Why.IDLE, last, now + ASK_AGAIN, last_by_hand=by_hand)


def _without_answer(facts: Facts, now: datetime, limit: timedelta) -> Verdict:
    """Its person may be computing so hard that Jupyter cannot answer: silence has to last the whole limit."""
    since = min(facts.unreachable_since or now, now)
    why = Why.UNREACHABLE if now - since >= limit else Why.SILENT
    look = now + min(ASK_AGAIN, limit)
    return Verdict(why, min(facts.last_known, now), look, unreachable_since=since, last_by_hand=facts.last_by_hand)


def _moments(activity: Activity, now: datetime) -> tuple[list[datetime], list[datetime]]:
    """Times of use on our clock: by hand, and by what its person left running.

    Ages are measured on the server's clock, which may be wrong but runs as ours does.
    """
    theirs = activity.now or now

    def ours(*moments: datetime | None) -> list[datetime]:
        return [now - min(max(timedelta(0), theirs - moment), LONG_AGO) for moment in moments if moment]

    running = (activity.last_save, activity.last_kernel_message, activity.last_terminal_output)
    return ours(activity.last_input), ours(*running)
