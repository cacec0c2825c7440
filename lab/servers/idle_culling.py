"""Idle culling: the rule by which a server is stopped, as one pure function that is read and tested as a table.

docs/explanation/idle.md says what counts and why. In short: input, saves, kernel messages, terminal output, busy
kernels and commands in terminals are use; an open tab that polls is not. What a server says about time is corrected by
the server's own clock and never believed beyond now.

Idle time is what the reaper has seen. Between two looks that are further apart than it looks, the machine slept, the
portal was away, or somebody set the clock: that time is not counted, neither as idle nor as age, and its person has
the time of the warning at least. All of it follows from the time of the last look, which is in the row.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from lab.models.servers import stops_at

from .clients.activity import Activity, is_ahead

LOOK_EVERY = timedelta(minutes=10)
"""A running server is asked this often, so that what pages say about it is never older."""
ASK_AGAIN = timedelta(minutes=1)
"""When a server that should be looked at did not answer."""
LATE = timedelta(minutes=5)
"""A look that is later than this was not just waiting for its turn; several rounds of the reaper were missed."""
NEVER = timedelta(0)
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
    looked_at: datetime | None = None
    """Time of the look before this one, by the clock as it was then; None: there was none."""


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
    looked_at: datetime
    """Time of this look."""
    unseen: timedelta = NEVER
    """Time since the look before that is not counted; negative where the clock was set back. All times of its row that
    are not in this verdict move by it.
    """
    unreachable_since: datetime | None = None
    last_by_hand: datetime | None = None

    @property
    def idle(self) -> bool:
        return self.why in STOPS


def is_idle(facts: Facts, now: datetime, limit: timedelta, max_age: timedelta, grace: timedelta = NEVER) -> Verdict:
    """Decide. `limit`: how long without interaction; `max_age`: from when on only what a person does counts; `grace`:
    what is left at least after time that nobody has seen.
    """
    unseen = unseen_time(facts.looked_at, now, limit)
    facts = _moved(facts, unseen)
    earliest = now - limit + min(grace, limit) if unseen else None
    if facts.activity is None:
        return _without_answer(facts, now, limit, unseen, earliest)
    busy = facts.activity.busy_kernels + facts.activity.running_commands > 0
    old = now - facts.started_at >= max_age
    inputs, others = _moments(facts.activity, now, unseen)
    by_hand = _within(now, earliest, facts.last_by_hand or facts.started_at, facts.started_at, *inputs)
    last = now if busy and not old else _within(now, None, facts.last_known, by_hand, *others)
    until = stops_at(facts.started_at, last, by_hand, facts.keep_until, limit, max_age)
    if now < until:
        why, look = (Why.BUSY if busy and not old else Why.USED), min(until, now + LOOK_EVERY)
    else:
        why, look = (Why.AGE if busy else Why.IDLE), now + ASK_AGAIN
    return Verdict(why, last, look, looked_at=now, unseen=unseen, last_by_hand=by_hand)


def unseen_time(looked_at: datetime | None, now: datetime, limit: timedelta) -> timedelta:
    """How far the clock went on since the last look without anybody looking; negative where it was set back."""
    if looked_at is None:
        return NEVER
    passed, planned = now - looked_at, min(LOOK_EVERY, limit)
    if passed > planned + LATE:
        return passed - planned
    return passed if passed < -LATE else NEVER


def _moved(facts: Facts, by: timedelta) -> Facts:
    """The same moments on a clock that did not run while nobody looked."""
    if not by:
        return facts
    hand, silent, kept = (
        moment and moment + by for moment in (facts.last_by_hand, facts.unreachable_since, facts.keep_until)
    )
    return replace(
        facts,
        started_at=facts.started_at + by,
        last_known=facts.last_known + by,
        last_by_hand=hand,
        unreachable_since=silent,
        keep_until=kept,
    )


def _within(now: datetime, earliest: datetime | None, *moments: datetime) -> datetime:
    """The latest of these moments, not beyond now, and not before `earliest`."""
    return min(now, max(moments if earliest is None else (earliest, *moments)))


def _without_answer(
    facts: Facts, now: datetime, limit: timedelta, unseen: timedelta, earliest: datetime | None
) -> Verdict:
    """Its person may be computing so hard that Jupyter cannot answer: silence has to last the whole limit."""
    since = _within(now, earliest, facts.unreachable_since or now)
    why = Why.UNREACHABLE if now - since >= limit else Why.SILENT
    return Verdict(
        why,
        _within(now, earliest, facts.last_known),
        now + min(ASK_AGAIN, limit),
        looked_at=now,
        unseen=unseen,
        unreachable_since=since,
        last_by_hand=facts.last_by_hand,
    )


def _moments(activity: Activity, now: datetime, unseen: timedelta) -> tuple[list[datetime], list[datetime]]:
    """Times of use on our clock: by hand, and by what its person left running.

    Ages are measured on the server's clock, which may be wrong but runs as ours does. Time that was not seen is no
    part of them, and a time ahead of the clock that noted it is none.
    """
    theirs, not_counted = activity.now or now, max(unseen, NEVER)

    def ours(*moments: datetime | None) -> list[datetime]:
        noted = [moment for moment in moments if moment and not (activity.now and is_ahead(moment, activity.now))]
        return [now - min(max(NEVER, theirs - moment - not_counted), LONG_AGO) for moment in noted]

    running = (activity.last_save, activity.last_kernel_message, activity.last_terminal_output)
    return ours(activity.last_input), ours(*running)
