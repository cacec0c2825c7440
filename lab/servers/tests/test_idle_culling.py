"""When is a server idle? The rule as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from lab.servers.clients.activity import Activity
from lab.servers.idle_culling import ASK_AGAIN, LOOK_EVERY, Facts, Why, is_idle

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


def test_it_never_believes_the_future() -> None:
    told = verdict(facts(Activity(now=NOW, last_input=NOW + timedelta(days=300))))
    assert told.last_interaction == NOW
    assert told.look_again_at <= NOW + LOOK_EVERY


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
