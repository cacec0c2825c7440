"""A thread keeps its connection to the database from one request to the next, and nothing that it read."""

import threading
from collections.abc import Callable

import pytest
from django.db import close_old_connections, connection, connections

from collabs.models import Collab, Role
from collabs.services import remove_member
from portal.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(work: Callable[[], object]) -> None:
    """Do it over a connection of its own, as another process does."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_it_is_kept_between_requests() -> None:
    connection.ensure_connection()
    kept = connection.connection
    close_old_connections()  # what Django does before and after each request
    assert connection.connection is kept


def test_a_role_that_another_process_took_is_gone_at_the_next_request(
    owner: User, viewer: User, collab: Collab
) -> None:
    assert collab.role_of(viewer) == Role.VIEWER
    kept = connection.connection
    close_old_connections()
    elsewhere(lambda: remove_member(owner, collab, viewer))
    close_old_connections()
    assert collab.role_of(viewer) is None
    assert connection.connection is kept
