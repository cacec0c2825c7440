"""Storage and Lab time by person, Collab and month."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from collabs.models import Collab
from console import usage
from console.models import MonthlyUsage
from drive.models import Library
from lab.models import Environment, Server, State
from portal.models import User

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 4, 30, tzinfo=UTC)
MARCH, FEBRUARY = date(2026, 3, 1), date(2026, 2, 1)


@pytest.fixture
def ran(db: None) -> Callable[..., None]:
    environment = Environment.objects.create(slug="usage", name="Usage", prefix="/nowhere")

    def make(owner: User, begin: datetime, end: datetime | None) -> None:
        state = State.STOPPED if end else State.RUNNING
        Server.objects.create(owner=owner, environment=environment, state=state, started_at=begin, ended_at=end)

    return make


def hours(month: date, user: User) -> float:
    return MonthlyUsage.objects.get(month=month, user=user).lab_hours


def test_it_counts_lab_time_in_the_month_in_which_it_was(owner: User, editor: User, ran: Callable[..., None]) -> None:
    ran(owner, datetime(2026, 2, 28, 22, tzinfo=UTC), datetime(2026, 3, 1, 3, tzinfo=UTC))
    ran(owner, datetime(2026, 3, 9, 4, 30, tzinfo=UTC), None)
    ran(editor, datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 2, 1, 1, tzinfo=UTC))
    usage.note(NOW)
    assert (hours(FEBRUARY, owner), hours(MARCH, owner)) == (2, 3 + 24)
    assert hours(FEBRUARY, editor) == 1
    assert not MonthlyUsage.objects.filter(month=date(2026, 1, 1)).exists()


def test_it_counts_what_is_stored_and_keeps_the_month_before(
    owner: User, collab: Collab, ran: Callable[..., None]
) -> None:
    Library.objects.filter(owner_user=owner).update(used_bytes=7, used_files=2)
    Library.objects.filter(owner_collab=collab).update(used_bytes=9)
    usage.note(datetime(2026, 2, 27, 4, 30, tzinfo=UTC))
    Library.objects.filter(owner_user=owner).update(used_bytes=70)
    ran(owner, datetime(2026, 2, 28, 22, tzinfo=UTC), datetime(2026, 2, 28, 23, tzinfo=UTC))
    for _night in range(2):
        usage.note(NOW)
    rows = MonthlyUsage.objects.filter(user=owner).order_by("month")
    assert list(rows.values_list("used_bytes", "used_files", "lab_seconds")) == [(7, 2, 3600), (70, 2, 0)]
    assert MonthlyUsage.objects.get(collab=collab, month=MARCH).used_bytes == 9
    assert [bar.month for bar in usage.months()] == [MARCH, FEBRUARY]
    assert usage.months()[0].bytes_percent == 100


def test_it_writes_in_steps(owner: User, collab: Collab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "BATCH", 1)
    for _night in range(2):
        usage.note(NOW)
    owners = Library.objects.values("owner_user", "owner_collab").distinct().count()
    assert MonthlyUsage.objects.count() == owners


def test_its_queries_do_not_grow_with_people(
    owner: User, person: Callable[..., User], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        person(f"one{number}")
    for _night in range(2):
        with django_assert_max_num_queries(12):
            usage.note(NOW)


def test_operators_see_it_and_take_it_along(
    operator: User, owner: User, collab: Collab, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(operator)
    assert "Nothing is counted yet" in client.get("/admin/usage/").text
    Library.objects.filter(owner_user=owner).update(used_bytes=2048, used_files=3)
    usage.note(NOW)
    page = client.get("/admin/usage/?month=2026-03").text
    assert page.index("owner</a>") < page.index("Cortex</a>"), "the most first"
    assert "2.0\xa0KB" in page
    answer = client.get("/admin/usage/usage.csv")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]
    assert {"month": "2026-03", "kind": "person", "name": "owner", "used_bytes": "2048"}.items() <= rows[0].items()
    assert {row["name"] for row in rows if row["kind"] == "collab"} == {"cortex"}
    for address in ("/admin/usage/?month=2025-01", "/admin/usage/?month=x"):
        assert client.get(address).status_code == 404


def test_the_month_before_is_that_of_the_sites_time_zone(owner: User, ran: Callable[..., None]) -> None:
    """Far east, at the end of a month by UTC, the site's month has begun: the one before is still corrected."""
    ran(owner, datetime(2026, 2, 10, 1, tzinfo=UTC), datetime(2026, 2, 10, 3, tzinfo=UTC))
    with timezone.override("Asia/Tokyo"):
        usage.note(datetime(2026, 3, 9, 19, 30, tzinfo=UTC))
        assert hours(FEBRUARY, owner) == 2
