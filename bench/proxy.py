"""Benchmark of the proxy: nginx asking the portal (auth_request) in front of a person's server, and its socket.

The same requests, in turns of a second: one after the other for the latency, and over eight connections for the rate.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from lab.models import Server
from tests.support.people import Person

from .common import Client, leave, person, running_site, through_proxy

TURNS = 5
TURN_SECONDS = 1.0
CONNECTIONS = 8


@dataclass
class Measured:
    """The requests of some turns, all connections together."""

    milliseconds: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def main() -> None:
    """A small answer of Jupyter's API, a small file, a large one."""
    with running_site():
        someone = person("bench-proxy")
        someone.launch()
        static = Path(settings.LAB_BASE_ENVIRONMENT) / "share/jupyter/lab/static"
        largest = max(static.glob("*.js"), key=lambda path: path.stat().st_size)
        for path in ("/api/status", "/static/favicons/favicon.ico", f"/static/lab/{largest.name}"):
            print(f"  {path}")
            for connections in (1, CONNECTIONS):
                report(connections, *alternate(someone, path, connections))
        leave(someone)


def alternate(someone: Person, path: str, connections: int) -> tuple[Measured, Measured]:
    """Through the proxy and straight to the socket, in turns."""
    server = Server.objects.get(pk=someone.server().pk)
    socket, token = str(settings.RUN_DIR / f"lab/{server.pk.hex}.sock"), {"Authorization": f"token {server.token}"}
    found = []
    for connect in (lambda: through_proxy(someone), lambda: Client(socket, "localhost", token)):
        found.append(([connect() for _ in range(connections)], Measured([], 0.0)))
    for _ in range(TURNS):
        for clients, measured in found:
            turn(clients, path, measured)
    for clients, _measured in found:
        for client in clients:
            client.close()
    return found[0][1], found[1][1]


def turn(clients: list[Client], path: str, measured: Measured) -> None:
    """Every connection busy for a second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(lambda client: ask(client, path, began, measured), clients))
    measured.seconds += time.perf_counter() - began


def ask(client: Client, path: str, began: float, measured: Measured) -> None:
    """One request after the other."""
    while (now := time.perf_counter()) < began + TURN_SECONDS:
        status = client.get(path)
        measured.milliseconds.append((time.perf_counter() - now) * 1000)
        if status != 200:
            raise SystemExit(f"{path}: {status}")


def report(connections: int, proxy: Measured, socket: Measured) -> None:
    """Latencies and rates."""
    rates = f"{proxy.rate:6.0f} requests/s through the proxy, {socket.rate:6.0f} on the socket"
    added = f"median {proxy.median:.2f} and {socket.median:.2f} ms, added {proxy.median - socket.median:.2f} ms"
    print(f"    {connections} at a time: {rates}, ratio {proxy.rate / socket.rate:.2f}; {added}", flush=True)
