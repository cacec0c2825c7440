"""Health of the process `rooms`."""

import http.client
import socket

from django.conf import settings

from portal.ops.health import TIMEOUT, HealthCheckError, Part


def parts() -> list[Part]:
    """For `/readyz`, where people edit together. Without it each opens files alone."""
    return [Part("rooms", answers, needed=False)] if settings.COEDITING else []


def answers() -> None:
    """HealthCheckError or OSError unless its event loop answers."""
    connection = http.client.HTTPConnection("rooms", timeout=TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(str(settings.RUN_DIR / "rooms.sock"))
        connection.request("GET", "/healthz")
        if (status := connection.getresponse().status) != 200:
            raise HealthCheckError(f"status {status}")
    finally:
        connection.close()
