"""Health of the Lab: the launcher, and the two relays, of WebSockets and of API requests."""

import socket

from django.conf import settings

from portal.ops.health import TIMEOUT, Part

from .launchers import get_launcher


def parts() -> list[Part]:
    """The Lab's parts of `/readyz`.

    Without the supervisor no Lab starts or stops, without the relay no cell runs, without the other notebooks do not
    reach the API.
    """
    return [
        Part("supervisor", lambda: get_launcher().ping(TIMEOUT), needed=False),
        Part("relay", lambda: connect_to("relay.sock"), needed=False),
        Part("api-relay", lambda: connect_to("api-relay.sock"), needed=False),
    ]


def connect_to(name: str) -> None:
    """OSError unless somebody listens on this socket of the site's."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(str(settings.RUN_DIR / name))
