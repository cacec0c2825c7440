"""Many at once, with real threads, connections and commits."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.utils import timezone

from conftest import Queue
from lab.models import Environment, Lease, Server, State, StopReason
from lab.servers import lifecycle, services
from lab.tests.inprocess import InProcessLauncher
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
