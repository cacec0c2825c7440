"""Many at once, with real threads, connections and commits."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections, transaction
from django.utils import timezone

from conftest import Queue
from lab.models import Environment, Lease, Server, State, StopReason
from lab.servers import lifecycle, services
from lab.tests.inprocess import InProcessLauncher
from portal.access import ForbiddenError
from portal.accounts import merging
from portal.accounts.services import deactivate
from portal.models import User

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 40


def together(count: int, call: Callable[[int], object]) -> list[object]:
    """`call(0)` … `call(count - 1)` in threads that start at the same moment, each with its own connection."""
    start = threading.Barrier(min(count, THREADS))

    def one_thread(numbers: range) -> list[object]:
        try:
            connection.ensure_connection()
            start.wait()
            return [call(number) for number in numbers]
        finally:
            connections.close_all()

    parts = [range(first, count, THREADS) for first in range(min(count, THREADS))]
    with ThreadPoolExecutor(THREADS) as pool:
        return [result for part in pool.map(one_thread, parts) for result in part]


@pytest.fixture
def owner(transactional_db: None) -> User:
    return User.objects.create_user("owner", "owner@example.org")


@pytest.fixture
def environment(transactional_db: None) -> Environment:
    return Environment.objects.create(slug="base", name="Base", prefix="/srv/base", is_default=True)


@pytest.mark.slow
def test_a_thousand_requests_start_one_server(owner: User, environment: Environment, queue: Queue) -> None:
    servers = together(1000, lambda _: services.request_server(owner, owner).pk)
    assert len(servers) == 1000
    assert len(set(servers)) == 1
    assert Server.objects.count() == 1
    assert queue.names().count("lab.tasks.launch") == 1


@pytest.mark.slow
def test_a_thousand_requests_while_it_stops_start_one_more(
    owner: User, environment: Environment, queue: Queue, launcher: InProcessLauncher
) -> None:
    now = timezone.now()
    old = Server.objects.create(
        owner=owner, environment=environment, state=State.STOPPING, stop_reason=StopReason.ASKED, stopping_at=now
    )

    def request_or_end(number: int) -> object:
        if number == 500:
            lifecycle.end(old.pk)
            return None
        return services.request_server(owner, owner)

    together(1000, request_or_end)
    assert Server.objects.filter(state=State.STOPPED).count() == 1
    assert Server.objects.live().count() == 1
    assert queue.names().count("lab.tasks.launch") == 1


@pytest.mark.slow
def test_of_many_launches_one_starts_it(
    owner: User, environment: Environment, queue: Queue, launcher: InProcessLauncher
) -> None:
    server = services.request_server(owner, owner)
    together(THREADS, lambda _: lifecycle.launch(server.pk))
    assert Server.objects.get().state == State.RUNNING
    assert launcher.sandboxes == {server.pk: "running"}


@pytest.mark.slow
def test_launches_and_stops_at_once_end_in_one_truth(
    owner: User, environment: Environment, queue: Queue, launcher: InProcessLauncher
) -> None:
    def anything(number: int) -> None:
        server = services.request_server(owner, owner)
        if number % 3 == 0:
            services.stop_server(owner, server, StopReason.ASKED)
        lifecycle.launch(server.pk)
        if number % 3 == 1:
            lifecycle.end(server.pk)

    together(120, anything)
    for server in Server.objects.all():
        lifecycle.launch(server.pk)
    for server in Server.objects.all():
        lifecycle.end(server.pk)
    states = Counter(Server.objects.values_list("state", flat=True))
    assert set(states) <= {State.RUNNING, State.STOPPED, State.REQUESTED}
    assert states[State.RUNNING] + states[State.REQUESTED] <= 1
    live = set(Server.objects.live().values_list("pk", flat=True))
    assert {key for key, state in launcher.sandboxes.items() if state != "stopped"} <= live


@pytest.mark.slow
def test_one_of_many_has_the_turn(transactional_db: None) -> None:
    assert Counter(together(THREADS, lambda _: Lease.take("anything", 60))) == {True: 1, False: THREADS - 1}


@pytest.fixture
def other(transactional_db: None) -> User:
    return User.objects.create_user("other", "other@example.org")


def one_after_the_other(first: Callable[[], object], second: Callable[[], object]) -> list[object]:
    """What both return, or the error that it is: `second` begins when `first` is done and has not yet committed."""
    done, asked = threading.Event(), threading.Event()

    def call(number: int) -> object:
        try:
            if number:
                done.wait()
                asked.set()
                return second()
            with transaction.atomic():
                result = first()
                done.set()
                asked.wait()
            return result
        except (ForbiddenError, ValidationError) as error:
            return error
        finally:
            done.set()

    return together(2, call)


@pytest.mark.parametrize("close", ["merged", "deactivated"])
def test_no_lab_begins_while_its_account_is_closed(
    close: str, owner: User, other: User, environment: Environment, queue: Queue
) -> None:
    """Who asks was active when the request came. The Lab would write into libraries that are somebody else's."""
    asking = User.objects.get(pk=owner.pk)

    def closing() -> object:
        return merging.merge(None, owner, other) if close == "merged" else deactivate(None, owner)

    _closed, asked = one_after_the_other(closing, lambda: services.request_server(asking, asking))
    assert isinstance(asked, ForbiddenError)
    assert not Server.objects.exists()
    assert "lab.tasks.launch" not in queue.names()


def test_an_account_whose_lab_is_just_asked_for_is_not_merged(
    owner: User, other: User, environment: Environment, queue: Queue
) -> None:
    _server, merged = one_after_the_other(
        lambda: services.create(owner, owner), lambda: merging.merge(None, owner, other)
    )
    assert isinstance(merged, ValidationError)
    assert Server.objects.live().get().owner == owner
    owner.refresh_from_db()
    assert owner.is_active


@pytest.mark.slow
def test_closing_an_account_does_not_wait_for_a_lab_that_ends_and_begins_anew(
    owner: User, environment: Environment, queue: Queue, launcher: InProcessLauncher
) -> None:
    """Both hold the account before the Lab's row: the other way round PostgreSQL would end one of the two."""
    for _ in range(10):
        User.objects.filter(pk=owner.pk).update(is_active=True)
        now = timezone.now()
        stopping = {"state": State.STOPPING, "stop_reason": StopReason.ASKED, "stopping_at": now, "again": True}
        old = Server.objects.create(owner=owner, environment=environment, **stopping)
        calls: list[Callable[[], object]] = [lambda key=old.pk: lifecycle.end(key), lambda: deactivate(None, owner)]  # type: ignore[misc]
        together(2, lambda number: calls[number]())  # noqa: B023 - ends within the round
        for server in Server.objects.live():
            lifecycle.end(server.pk)
        assert not Server.objects.live().exists()
