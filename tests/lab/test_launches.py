"""Many at once: a thousand clicks of one person, thirty people."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from lab.models import Server, State
from lab.servers.services import request_server

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox


def test_it_starts_one_server_for_a_thousand_clicks(site: Site, owner: Person) -> None:
    found: set[str] = set()
    barrier = threading.Barrier(20)

    def click() -> None:
        barrier.wait()
        for _ in range(50):
            found.add(request_server(owner.user, owner.user).pk.hex)
        connection.close()

    threads = [threading.Thread(target=click) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: owner.server().state == State.RUNNING, 60, "it did not start")
    assert len(found) == 1
    assert Server.objects.filter(owner=owner.user).count() == 1
    assert found <= site.sandboxes()


def test_it_serves_thirty_people_at_once_in_order(site: Site, person: Callable[..., Person]) -> None:
    """All get one; who came first is served first; the queue says so."""
    site.have_fork_server()  # a launch waits ten seconds for it; on a busy machine, the first would be started without
    people = [person("crowd") for _ in range(30)]
    for someone in people:
        request_server(someone.user, someone.user)
    servers = [someone.server() for someone in people]
    positions = [Server.objects.queue_position(server) for server in servers if server.state == State.REQUESTED]
    assert positions == sorted(positions)
    mine = Server.objects.filter(pk__in=[server.pk for server in servers])
    wait_for(lambda: mine.filter(state=State.RUNNING).count() == 30, 300, "not all thirty run")
    begun = list(mine.order_by("started_at").values_list("requested_at", flat=True))
    # Four launches run side by side, so one may overtake its neighbours, but nobody waits for who came much later.
    ranks = [sorted(begun).index(moment) for moment in begun]
    assert all(abs(rank - position) <= 8 for position, rank in enumerate(ranks)), ranks
    assert {server.pk.hex for server in servers} <= site.sandboxes()
