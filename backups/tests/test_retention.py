"""Which backups a retention policy keeps."""

from datetime import UTC, datetime, timedelta

from backups.retention import Retention

LAST = datetime(2026, 3, 31, 1, tzinfo=UTC)
NIGHTLY = [LAST - timedelta(days=number) for number in range(100)]


def days(retention: Retention, times: list[datetime]) -> list[str]:
    return [f"{time:%m-%d}" for time in sorted(retention.kept(times))]


def test_it_keeps_the_last_ones() -> None:
    assert days(Retention(last=2), NIGHTLY) == ["03-30", "03-31"]


def test_it_keeps_the_newest_of_each_day_week_and_month() -> None:
    assert days(Retention(daily=3), NIGHTLY) == ["03-29", "03-30", "03-31"]
    assert days(Retention(weekly=3), NIGHTLY) == ["03-22", "03-29", "03-31"]
    assert days(Retention(monthly=3), NIGHTLY) == ["01-31", "02-28", "03-31"]
    twice = [LAST, LAST.replace(hour=13)]
    assert Retention(daily=1).kept(twice) == {twice[1]}


def test_days_without_a_backup_do_not_count() -> None:
    assert days(Retention(daily=2), [LAST, LAST - timedelta(days=40)]) == ["02-19", "03-31"]


def test_rules_add_up() -> None:
    assert days(Retention(daily=2, monthly=2), NIGHTLY) == ["02-28", "03-30", "03-31"]


def test_it_always_keeps_the_newest() -> None:
    for rule in ("last", "daily", "weekly", "monthly"):
        assert LAST in Retention(**{rule: 1}).kept(NIGHTLY)
