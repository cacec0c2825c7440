"""One worker at a time is the clock, and another after it."""

import uuid
from collections.abc import Callable

import pytest

from portal.models import ScheduledTask
from portal.ops.clock import LEASE, ClockLease
from portal.ops.metrics import client

from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

Lease = Callable[..., ClockLease]


@pytest.fixture
def lease(site: Site) -> Lease:
    """Makes workers' leases, not of the site's own clock."""
    key = f"test:{uuid.uuid4().hex}"
    return lambda seconds=300.0: ClockLease(client(), seconds, key)


def test_one_holds_it_until_it_gives_it_back(lease: Lease) -> None:
    first, second = lease(), lease()
    assert [first.hold(), second.hold(), first.hold()] == [True, False, True]
    second.give_back()  # it has none
    assert [second.hold(), first.hold()] == [False, True]
    first.give_back()
    assert [second.hold(), first.hold()] == [True, False]


def test_another_takes_it_from_one_that_is_dead(lease: Lease) -> None:
    assert lease(0.2).hold()
    second = lease()
    wait_for(second.hold, 60, "it was not given up")


def test_one_that_would_last_longer_than_any_is_taken(lease: Lease) -> None:
    """Its holder died, and then the clock was set back."""
    first, second = lease(3600.0), lease(60.0)
    assert [first.hold(), second.hold(), first.hold()] == [True, True, False]


def test_the_next_worker_is_the_clock_after_one_was_killed(site: Site) -> None:
    wait_for(lambda: client().get(LEASE), 60, "no worker is the clock")
    wait_for(ScheduledTask.objects.exists, 60, "nothing was noted")
    before, noted = client().get(LEASE), ScheduledTask.objects.count()
    site.kill("worker")
    wait_for(lambda: client().get(LEASE) not in (None, before), 60, "no other worker became the clock")
    assert ScheduledTask.objects.count() == noted
