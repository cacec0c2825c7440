"""Storage, Lab time and processor time by person, Collab and month."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from console import usage
from console.models import MonthlyUsage
from console.retention import pruning
from console.retention.kinds import KINDS
from drive.models import Library
from lab.models import Environment, Server, State
from portal.accounts import deletion
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
    assert (hours(date(2026, 1, 1), editor), hours(FEBRUARY, editor)) == (1, 1)


def test_a_month_keeps_the_lab_time_of_servers_whose_rows_are_gone(
    owner: User, ran: Callable[..., None], settings: Settings
) -> None:
    settings.LAB_SERVER_KEEP_DAYS = 1
    ran(owner, datetime(2026, 2, 10, 1, tzinfo=UTC), datetime(2026, 2, 10, 3, tzinfo=UTC))
    ran(owner, datetime(2026, 3, 2, 1, tzinfo=UTC), datetime(2026, 3, 2, 4, tzinfo=UTC))
    ran(owner, datetime(2026, 3, 8, 1, tzinfo=UTC), datetime(2026, 3, 8, 2, tzinfo=UTC))
    kind = next(kind for kind in KINDS if kind.model is Server)
    assert not pruning.prune_step(kind, NOW), "nobody has counted them"
    usage.note(NOW)
    assert pruning.prune_step(kind, NOW) == 2
    usage.note(NOW)
    assert (hours(FEBRUARY, owner), hours(MARCH, owner)) == (2, 4)


def test_what_is_counted_already_is_not_added_after_an_update(owner: User, ran: Callable[..., None]) -> None:
    """Months were once written from all rows of Labs that were there."""
    ran(owner, NOW - timedelta(hours=5), NOW - timedelta(hours=4))
    ran(owner, NOW - timedelta(hours=2), None)
    MonthlyUsage.objects.create(user=owner, month=MARCH, lab_seconds=3 * 3600)
    MonthlyUsage.objects.update(counted_at=NOW)
    import_module("console.migrations.0003_erased_accounts").note_what_is_counted(apps, connection.schema_editor())
    usage.note(NOW + timedelta(hours=1))
    assert hours(MARCH, owner) == 4


def test_an_erased_account_leaves_its_sums_alone(
    owner: User, stranger: User, ran: Callable[..., None], sign_in: Callable[[User], Client], operator: User
) -> None:
    for one in (owner, stranger):
        Library.objects.filter(owner_user=one).update(used_bytes=7, used_files=2)
        ran(one, datetime(2026, 2, 10, 1, tzinfo=UTC), datetime(2026, 2, 10, 3, tzinfo=UTC))
        ran(one, NOW - timedelta(hours=1), None)
    usage.note(NOW)
    before = usage.months()
    for one in (owner, stranger):
        deletion.delete_account(one, {})
    assert not MonthlyUsage.objects.filter(user__in=[owner, stranger]).exists()
    assert usage.months() == before
    usage.note(NOW + timedelta(hours=1))
    assert not MonthlyUsage.objects.filter(user__in=[owner, stranger]).exists()
    row = MonthlyUsage.objects.get(user=None, collab=None, month=MARCH)
    assert (row.used_bytes, row.lab_hours) == (14, 4)
    assert "Erased accounts" in sign_in(operator).get("/admin/usage/").text


def test_it_adds_processor_time_once_and_divides_it_at_the_end_of_a_month(
    owner: User, ran: Callable[..., None]
) -> None:
    ran(owner, datetime(2026, 2, 28, 23, tzinfo=UTC), None)
    server = Server.objects.get()
    Server.objects.note_processor_time({server.pk: 4000})
    for _night in range(2):
        usage.note(datetime(2026, 3, 1, 3, tzinfo=UTC))
    february, march = MonthlyUsage.objects.filter(user=owner).order_by("month")
    assert (february.cpu_seconds, march.cpu_seconds) == (1000, 3000)
    Server.objects.note_processor_time({server.pk: 5000})
    Server.objects.note_processor_time({server.pk: 4500})  # somebody who read it before is late
    Server.objects.update(ended_at=datetime(2026, 3, 1, 3, tzinfo=UTC), state=State.STOPPED)
    for _night in range(2):
        usage.note(NOW)
    march.refresh_from_db()
    assert (march.cpu_seconds, march.lab_hours) == (4000, 3)


def test_all_three_ways_show_processor_time(
    operator: User, owner: User, ran: Callable[..., None], sign_in: Callable[[User], Client]
) -> None:
    ran(owner, NOW - timedelta(hours=3), NOW)
    Server.objects.note_processor_time({Server.objects.get().pk: 9000})
    usage.note(NOW)
    client = sign_in(operator)
    page = client.get("/admin/usage/").text
    assert "2.50 h" in page
    assert "<h2>Processor time</h2>" in page
    assert 'rect width="100"' in page.split("<h2>Processor time</h2>")[1]
    assert "supervisor is not responding" in page, "here nobody counts"
    rows = csv.DictReader(b"".join(client.get("/admin/usage/usage.csv").streaming_content).decode().splitlines())  # type: ignore[attr-defined]
    assert [row["cpu_hours"] for row in rows if row["name"] == "owner"] == ["2.5000"]


def test_it_writes_zero_for_who_has_no_library_any_more(owner: User) -> None:
    Library.objects.filter(owner_user=owner).update(used_bytes=7)
    usage.note(NOW)
    Library.objects.filter(owner_user=owner).update(removed_at=NOW)
    usage.note(NOW)
    assert MonthlyUsage.objects.get(user=owner).used_bytes == 0


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
