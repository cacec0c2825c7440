"""When is a server idle? The rule as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from lab.servers.clients.activity import Activity
from lab.servers.idle_culling import ASK_AGAIN, LATE, LOOK_EVERY, Facts, Verdict, Why, is_idle

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMIT, MAX_AGE = timedelta(hours=12), timedelta(days=7)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def facts(
    activity: Activity | None, *, started: datetime | None = None, known: datetime | None = None, **more
) -> Facts:
    started = started or ago(hours=20)
    return Facts(started_at=started, last_known=known or started, activity=activity, **more)


def verdict(of: Facts):
    return is_idle(of, NOW, LIMIT, MAX_AGE)


@pytest.mark.parametrize(
    ("name", "activity", "why"),
    [
        ("nothing since it started", Activity(now=NOW), Why.IDLE),
        ("input an hour ago", Activity(now=NOW, last_input=ago(hours=1)), Why.USED),
        ("input just before the limit", Activity(now=NOW, last_input=ago(hours=12, seconds=-1)), Why.USED),
        ("input exactly at the limit", Activity(now=NOW, last_input=ago(hours=12)), Why.IDLE),
        ("a save", Activity(now=NOW, last_save=ago(hours=2)), Why.USED),
        ("a kernel's message", Activity(now=NOW, last_kernel_message=ago(hours=3)), Why.USED),
        ("a terminal's output", Activity(now=NOW, last_terminal_output=ago(minutes=1)), Why.USED),
        ("a silent busy kernel", Activity(now=NOW, busy_kernels=1, kernels=1), Why.BUSY),
        ("a silent command in a terminal", Activity(now=NOW, running_commands=1, terminals=1), Why.BUSY),
        ("an open tab: kernels and terminals, nothing else", Activity(now=NOW, kernels=3, terminals=2), Why.IDLE),
    ],
)
def test_it_counts_what_people_and_their_code_do(name: str, activity: Activity, why: Why) -> None:
    assert verdict(facts(activity)).why is why


@pytest.mark.parametrize(
    ("name", "activity", "why"),
    [
        ("busy kernels do not keep it", Activity(now=NOW, busy_kernels=2), Why.AGE),
        ("nor does their output", Activity(now=NOW, busy_kernels=1, last_kernel_message=ago(seconds=1)), Why.AGE),
        ("nor autosaves of that output", Activity(now=NOW, busy_kernels=1, last_save=ago(seconds=1)), Why.AGE),
        ("nor commands in terminals", Activity(now=NOW, running_commands=1), Why.AGE),
        ("its person does", Activity(now=NOW, busy_kernels=1, last_input=ago(hours=2)), Why.USED),
    ],
)
def test_it_is_stopped_at_its_greatest_age_unless_its_person_is_there(name: str, activity: Activity, why: Why) -> None:
    old = facts(activity, started=ago(days=7), known=ago(days=1))
    assert verdict(old).why is why


def test_it_ends_a_lab_of_the_greatest_age_at_once_when_only_its_code_was_at_work() -> None:
    """Its kernel computed until now, so that it counted as used a moment ago; its person left days ago."""
    computing = Activity(now=NOW, busy_kernels=1, last_input=ago(days=3))
    assert verdict(facts(computing, started=ago(days=7), known=NOW, last_by_hand=ago(days=3))).why is Why.AGE
    assert verdict(facts(computing, started=ago(days=7), known=NOW, last_by_hand=ago(hours=1))).why is Why.USED


def test_it_does_not_stop_what_its_person_wants_to_keep() -> None:
    left = Activity(now=NOW)
    assert verdict(facts(left, keep_until=NOW + timedelta(hours=1))).why is Why.USED
    assert verdict(facts(left, keep_until=NOW)).why is Why.IDLE
    assert verdict(facts(left, keep_until=NOW + timedelta(seconds=5))).look_again_at == NOW + timedelta(seconds=5)


@pytest.mark.parametrize("clock", [NOW, NOW + timedelta(seconds=20), None])
def test_it_never_believes_the_future(clock: datetime | None) -> None:
    told = verdict(facts(Activity(now=clock, last_input=NOW + timedelta(seconds=30))))
    assert told.last_interaction == NOW
    assert told.look_again_at <= NOW + LOOK_EVERY


def test_a_time_long_after_the_clock_that_noted_it_is_none() -> None:
    """Otherwise a server would count as used until a clock that was set back has come there again."""
    assert verdict(facts(Activity(now=NOW, last_input=NOW + timedelta(hours=3)))).why is Why.IDLE
    later = Activity(now=NOW, last_input=NOW + timedelta(hours=3), last_save=ago(hours=1))
    assert verdict(facts(later)).last_interaction == ago(hours=1)
    assert verdict(facts(Activity(last_input=NOW + timedelta(hours=3)))).last_interaction == NOW  # no clock to tell


def test_it_corrects_a_clock_that_is_wrong() -> None:
    fast = timedelta(hours=30)
    assert verdict(facts(Activity(now=NOW + fast, last_input=ago(hours=13) + fast))).why is Why.IDLE
    assert verdict(facts(Activity(now=NOW - fast, last_input=ago(hours=1) - fast))).last_interaction == ago(hours=1)


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("clock", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NOW, None])
def test_it_survives_any_date(moment: datetime, clock: datetime | None) -> None:
    assert verdict(facts(Activity(now=clock, last_input=moment))).last_interaction <= NOW


def test_it_does_not_forget_what_was_read_before() -> None:
    assert verdict(facts(Activity(now=NOW, last_input=ago(hours=19)), known=ago(hours=2))).why is Why.USED


def test_it_looks_again_when_the_limit_is_reached_and_at_least_every_few_minutes() -> None:
    nearly = verdict(facts(Activity(now=NOW, last_input=ago(hours=11, minutes=58))))
    assert nearly.look_again_at == NOW + timedelta(minutes=2)
    assert verdict(facts(Activity(now=NOW, last_input=NOW))).look_again_at == NOW + LOOK_EVERY


def test_it_does_not_stop_a_server_because_it_is_silent() -> None:
    first = verdict(facts(None))
    assert (first.why, first.unreachable_since, first.look_again_at) == (Why.SILENT, NOW, NOW + ASK_AGAIN)
    later = verdict(facts(None, unreachable_since=ago(hours=11)))
    assert (later.why, later.unreachable_since) == (Why.SILENT, ago(hours=11))


def test_it_stops_a_server_that_was_silent_for_the_whole_limit() -> None:
    assert verdict(facts(None, unreachable_since=ago(hours=12))).why is Why.UNREACHABLE


def test_it_forgets_the_silence_when_it_answers() -> None:
    told = verdict(facts(Activity(now=NOW, last_input=ago(hours=1)), unreachable_since=ago(hours=11)))
    assert told.unreachable_since is None


# Time that nobody has seen: the last look is longer ago than looks are apart, or after now.

GRACE = timedelta(minutes=30)
DAY = timedelta(days=1)
ASLEEP = timedelta(hours=14)


def after_gap(of: Facts, now: datetime = NOW) -> Verdict:
    return is_idle(of, now, LIMIT, MAX_AGE, grace=GRACE)


def left(told: Verdict, now: datetime = NOW) -> timedelta:
    """Time until it is idle, if nothing happens."""
    return told.last_interaction + LIMIT - now


def slept(activity: Activity | None, idle_before: timedelta, gap: timedelta = ASLEEP, **more) -> Facts:
    """The last look was `gap` ago, when nobody had used it for `idle_before`."""
    then = NOW - gap
    more = {"started": then - timedelta(hours=20), "known": then - idle_before} | more
    return facts(activity, looked_at=then, **more)


@pytest.mark.parametrize(
    ("name", "idle_before", "time_left"),
    [
        ("it had been used just then", timedelta(0), LIMIT - LOOK_EVERY),
        ("an hour before", timedelta(hours=1), timedelta(hours=11) - LOOK_EVERY),
        ("it was nearly idle", timedelta(hours=11, minutes=55), GRACE),
        ("it was about to be stopped", timedelta(hours=12, minutes=5), GRACE),
    ],
)
@pytest.mark.parametrize("gap", [ASLEEP, timedelta(days=30), LOOK_EVERY + LATE + timedelta(seconds=1)])
def test_time_that_nobody_saw_is_not_idle_time(
    name: str, idle_before: timedelta, time_left: timedelta, gap: timedelta
) -> None:
    for activity in (Activity(now=NOW), Activity(now=NOW, last_input=NOW - gap - idle_before)):
        told = after_gap(slept(activity, idle_before, gap))
        assert told.why is Why.USED
        assert left(told) == time_left
        assert told.unseen == gap - LOOK_EVERY


def test_a_look_that_had_to_wait_is_no_gap() -> None:
    told = after_gap(slept(Activity(now=NOW), timedelta(hours=11, minutes=50), LOOK_EVERY + LATE))
    assert (told.why, told.unseen) == (Why.IDLE, timedelta(0))


def test_the_first_look_finds_no_gap() -> None:
    assert after_gap(facts(Activity(now=NOW))).why is Why.IDLE


def test_what_was_used_while_nobody_looked_is_used_now() -> None:
    """The portal was away, the Lab was not."""
    told = after_gap(slept(Activity(now=NOW, last_input=ago(hours=13)), timedelta(hours=11)))
    assert told.last_interaction == NOW


def test_nobody_is_stopped_for_age_in_the_first_look_after_a_gap() -> None:
    """Its greatest age came while nobody looked, or had come before."""
    for age in (timedelta(days=6, hours=23), timedelta(days=20)):
        computing = Activity(now=NOW, busy_kernels=1, last_input=ago(days=3))
        told = after_gap(slept(computing, timedelta(0), started=NOW - ASLEEP - age, last_by_hand=ago(days=3)))
        assert told.why in (Why.BUSY, Why.USED)
        later = NOW + GRACE + timedelta(hours=2)
        moved = facts(
            Activity(now=later, busy_kernels=1, last_input=ago(days=3)),
            started=NOW - ASLEEP - age + told.unseen,
            known=told.last_interaction,
            last_by_hand=told.last_by_hand,
            looked_at=later - LOOK_EVERY,
        )
        assert after_gap(moved, later).why is Why.AGE


def test_silence_that_nobody_heard_is_none() -> None:
    told = after_gap(slept(None, timedelta(0), unreachable_since=NOW - ASLEEP - timedelta(hours=1)))
    assert (told.why, told.unreachable_since) == (Why.SILENT, ago(hours=1) - LOOK_EVERY)
    told = after_gap(slept(None, timedelta(0), unreachable_since=NOW - ASLEEP - timedelta(hours=20)))
    assert (told.why, told.unreachable_since) == (Why.SILENT, NOW - LIMIT + GRACE)


def test_what_its_person_asked_for_moves_on() -> None:
    kept = slept(Activity(now=NOW), timedelta(hours=12), keep_until=NOW - ASLEEP + timedelta(hours=4))
    assert after_gap(kept).look_again_at == NOW + LOOK_EVERY
    assert after_gap(kept).why is Why.USED


@pytest.mark.parametrize("back", [timedelta(hours=1), DAY, timedelta(days=400)])
def test_a_clock_that_is_set_back_neither_ends_nor_keeps_it(back: timedelta) -> None:
    """All its times are in what is the future now."""
    then = NOW + back
    idle = facts(
        Activity(now=NOW, last_input=then - timedelta(hours=5)),
        started=then - timedelta(hours=20),
        known=then - timedelta(hours=5),
        last_by_hand=then - timedelta(hours=5),
        looked_at=then,
        keep_until=then - timedelta(hours=1),
    )
    told = after_gap(idle)
    assert (told.why, told.unseen) == (Why.USED, -back)
    assert told.last_by_hand
    assert told.last_by_hand <= NOW
    assert timedelta(hours=7) <= left(told) <= LIMIT
    rests = Activity(now=NOW + LIMIT, last_input=then - timedelta(hours=5))
    moved = facts(
        rests,
        started=ago(hours=20),
        known=told.last_interaction,
        last_by_hand=told.last_by_hand,
        looked_at=NOW + LIMIT - LOOK_EVERY,
    )
    assert after_gap(moved, NOW + LIMIT).why is Why.IDLE


def test_a_clock_that_goes_a_day_too_far_and_back_changes_nothing() -> None:
    busy_once = Activity(now=NOW + DAY, last_input=ago(hours=3))
    there = after_gap(facts(busy_once, known=ago(hours=3), looked_at=NOW, last_by_hand=ago(hours=3)), NOW + DAY)
    assert there.why is Why.USED
    back = facts(
        Activity(now=NOW, last_input=ago(hours=3)),
        started=ago(hours=20) + there.unseen,
        known=there.last_interaction,
        last_by_hand=there.last_by_hand,
        looked_at=NOW + DAY,
    )
    told = after_gap(back)
    assert there.unseen + told.unseen == -LOOK_EVERY
    assert told.last_interaction == ago(hours=3)


@pytest.mark.parametrize("gap", [ASLEEP, -DAY])
@pytest.mark.parametrize("idle", [timedelta(hours=hours) for hours in (0, 11, 12, 13, 400)])
@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=7), timedelta(days=90)])
@pytest.mark.parametrize("busy", [0, 1, None])
def test_after_a_gap_everybody_has_the_time_of_the_warning(
    gap: timedelta, idle: timedelta, age: timedelta, busy: int | None
) -> None:
    then = NOW - gap
    activity = None if busy is None else Activity(now=NOW, busy_kernels=busy)
    told = after_gap(
        Facts(
            started_at=then - age,
            last_known=then - idle,
            activity=activity,
            unreachable_since=then - idle,
            last_by_hand=then - idle,
            looked_at=then,
        )
    )
    assert not told.idle
    assert left(told) >= GRACE
