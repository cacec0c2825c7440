"""Launch statistics for operators."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from console import launch_stats
from lab.launchers import get_launcher
from lab.launchers.base import ForkServerStatus
from lab.models import Environment, Server, State
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def environments() -> list[Environment]:
    return [Environment.objects.create(slug=name, name=name.title(), prefix=f"/{name}") for name in ("base", "brain")]


def started(user: User, environment: Environment, seconds: float, days_ago: float = 0) -> Server:
    asked = timezone.now() - timedelta(days=days_ago, seconds=100)
    return Server.objects.create(
        owner=user,
        environment=environment,
        state=State.STOPPED,
        requested_at=asked,
        started_at=asked + timedelta(seconds=seconds),
    )


def test_it_counts_starts_by_how_long_they_took(owner: User, environments: list[Environment]) -> None:
    for seconds in [0.15] * 12 + [0.25] * 6 + [2.5, 90]:
        started(owner, environments[0], seconds)
    started(owner, environments[1], 4)
    started(owner, environments[1], 0.1, days_ago=10)
    whole, base, brain = launch_stats.starts("week")
    assert (whole.name, whole.total, base.name, base.total, brain.total) == ("All environments", 21, "Base", 20, 1)
    numbers = {bar.seconds: bar.number for bar in base.bars if bar.number}
    assert numbers == {0.2: 12, 0.3: 6, 3: 1, None: 1}
    assert (base.median, base.percentile_95) == ("0.2 s", "3 s")
    assert max(bar.percent for bar in base.bars) == 100
    assert launch_stats.starts("month")[0].total == 22


def test_it_has_a_page(
    operator: User,
    owner: User,
    environments: list[Environment],
    sign_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = started(owner, environments[0], 1)
    Server.objects.filter(pk=failed.pk).update(state=State.FAILED, started_at=None, error="The environment is missing.")
    started(owner, environments[0], 0.2)
    status = ForkServerStatus("/base", "resting", 7, timezone.now().timestamp() - 7200, ["It did not answer."])
    monkeypatch.setattr(get_launcher(), "fork_servers", lambda: [status])
    page = sign_in(operator).get("/admin/starts/").text
    for words in (
        "half within 0.2 s",
        "1 failed",
        "The environment is missing.",
        "resting",
        "It did not answer.",
        "Base",
    ):
        assert words in page
    assert f"/admin/lab/server/{failed.pk}/change/" in page


def test_it_asks_as_much_of_the_database_however_many_there_were(
    owner: User, environments: list[Environment], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        started(owner, environments[number % 2], number / 10)
    with django_assert_num_queries(2):
        launch_stats.starts("week")
        list(launch_stats.failures("week"))


def test_it_is_for_those_who_may_see_servers(owner: User, sign_in: Callable[[User], Client]) -> None:
    owner.is_staff = True
    owner.save()
    client = sign_in(owner)
    assert client.get("/admin/starts/").status_code == 403
    owner.user_permissions.add(Permission.objects.get(codename="view_server"))
    assert client.get("/admin/starts/").status_code == 200
