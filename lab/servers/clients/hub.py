"""HTTP client of a Jupyter server in a Hub: through the Hub's proxy, with the portal's own token.

Such a server knows nothing of the portal, so its activity is read from Jupyter's standard API.
"""

import http.client
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings

from lab.models import Server

from .activity import Activity
from .jupyter import JupyterClient, JupyterError, latest, moment, rows_of


class HubJupyterClient(JupyterClient):
    """Client through the Hub's proxy; errors and deadlines as of JupyterClient."""

    def __init__(self, server: Server) -> None:
        self._token = settings.LAB_HUB_TOKEN
        self._base = f"{urlsplit(settings.LAB_HUB_URL).path.rstrip('/')}/user/{server.owner.username}"

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        return _connection(seconds)

    def activity(self, seconds: float = 5) -> Activity:
        """Saves and input are one here: Jupyter's own word of when anything was last asked of it."""
        status = self._call("GET", "/api/status", seconds=seconds)
        kernels = self._call("GET", "/api/kernels?no_track_activity=1", seconds=seconds)
        terminals = self._call("GET", "/api/terminals?no_track_activity=1", seconds=seconds)
        if not isinstance(status, dict):
            raise JupyterError("The server's status is not an object.")
        kernels, terminals = rows_of(kernels), rows_of(terminals)
        return Activity(
            last_save=moment(status.get("last_activity")),
            last_kernel_message=latest(kernels),
            last_terminal_output=latest(terminals),
            busy_kernels=sum(kernel.get("execution_state") == "busy" for kernel in kernels),
            kernels=len(kernels),
            terminals=len(terminals),
        )


def _connection(seconds: float) -> http.client.HTTPConnection:
    """Connection to the Hub's proxy that is closed after `seconds`, whatever drips from there."""
    address = urlsplit(settings.LAB_HUB_URL)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection

    class Connection(kind):  # type: ignore[misc,valid-type]
        def connect(self) -> None:
            super().connect()
            self._end = threading.Timer(seconds, self._shut)
            self._end.daemon = True
            self._end.start()

        def _shut(self) -> None:
            with suppress(OSError, AttributeError):
                self.sock.shutdown(socket.SHUT_RDWR)

        def close(self) -> None:
            if end := getattr(self, "_end", None):
                end.cancel()
            super().close()

    return Connection(address.hostname or "", address.port, timeout=seconds)
