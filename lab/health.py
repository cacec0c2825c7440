"""Health of the Lab: the launcher, and the relay of WebSockets."""

import socket

from django.conf import settings

from portal.ops.health import TIMEOUT, Part

from .launchers import get_launcher


def parts() -> list[Part]:
    """The Lab's parts of `/readyz`. Without the supervisor no Lab starts or stops, without the relay no cell runs."""
    return [
        Part("supervisor", lambda: get_launcher().ping(TIMEOUT), needed=False),
        Part("relay", lambda: connect_to_relay(), needed=False),
    ]


def connect_to_relay() -> None:
    """OSError unless it listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(str(settings.RUN_DIR / "relay.sock"))
