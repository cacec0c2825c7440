"""Our proxy beside the Hub's: nginx, which asks the portal about each request, and configurable-http-proxy.

Requests per second to Jupyter's API and for JupyterLab's largest file; WebSocket round trips over a kernel's channel.
Each proxy has a server of its own behind it, JupyterLab of the same environment, and they take turns; WebSockets are
tried past the proxies as well, since Jupyter itself is not as fast on a TCP port as on a unix socket.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from django.conf import settings
from websockets.sync.client import ClientConnection, connect, unix_connect

from lab.servers.clients.jupyter import socket_path
from tests.support.people import Kernel, Person

from . import proxy
from .common import Client, leave, p95, person, running_site, through_proxy
from .jupyterhub import Hub, running_hub

TURNS = 5
TRIPS = 100
"""Round trips of each in a turn."""
PATIENCE_SECONDS = 30


def main() -> None:
    """HTTP, then WebSockets."""
    with running_site(), running_hub() as hub:
        someone = person("bench-proxy")
        hub.add(someone.user.username)
        someone.launch()
        hub.click(someone.user.username)
        requests_through(hub, someone)
        messages_through(hub, someone)
        leave(someone)


def requests_through(hub: Hub, someone: Person) -> None:
    """One at a time for the latency, several for the rate."""
    static = Path(settings.LAB_BASE_ENVIRONMENT) / "share/jupyter/lab/static"
    largest = max(static.glob("*.js"), key=lambda path: path.stat().st_size)
    for path in ("/api/status", f"/static/lab/{largest.name}"):
        for connections in (1, proxy.CONNECTIONS):
            ours, theirs = proxy.Measured([], 0.0), proxy.Measured([], 0.0)
            sides = [
                (ours, path, through_proxy),
                (theirs, f"/user/{someone.user.username}{path}", lambda _: hub.client()),
            ]
            for _ in range(proxy.TURNS):
                for measured, address, connected in sides:
                    clients: list[Client] = [connected(someone) for _ in range(connections)]
                    proxy.turn(clients, address, measured)
                    for client in clients:
                        client.close()
            print(f"  {path}, {connections} at a time: {ours.rate:.0f} requests/s, median {ours.median:.2f} ms")
            ratio = ours.rate / theirs.rate
            print(f"    the Hub's proxy: {theirs.rate:.0f}, {theirs.median:.2f} ms; ratio {ratio:.2f}", flush=True)


# WebSockets


class Channel(Kernel):
    """A kernel at the end of a connection that is there already."""

    def __init__(self, kernel_id: str, connection: ClientConnection) -> None:
        self.id, self.socket = kernel_id, connection


def messages_through(hub: Hub, someone: Person) -> None:
    """A question that the kernel answers; and a ping, which Jupyter's end of the WebSocket answers by itself."""
    with ExitStack() as stack:
        name = someone.user.username
        sides = {
            "nginx": stack.enter_context(ours(someone)),
            "configurable-http-proxy": stack.enter_context(theirs(hub, name, hub.url)),
            "our server's socket": stack.enter_context(bare(someone)),
            "the Hub's server's port": stack.enter_context(theirs(hub, name, hub.address_of(name))),
        }
        for what, trip in (("kernel_info_request and its reply", ask), ("ping and pong", ping)):
            report(what, alternate(trip, sides))


@contextmanager
def ours(someone: Person) -> Iterator[Kernel]:
    """As JupyterLab is connected."""
    kernel = someone.kernel()
    with closing(kernel.socket):
        yield kernel


@contextmanager
def theirs(hub: Hub, name: str, url: str) -> Iterator[Kernel]:
    """The same at the Hub, by way of its proxy or past it."""
    kernel_id = hub.new_kernel(name)
    address = f"{url.replace('http', 'ws', 1)}/user/{name}/api/kernels/{kernel_id}/channels"
    with closing(connect(address, additional_headers=hub.headers, max_size=None, legacy=True)) as connection:
        yield Channel(kernel_id, connection)


@contextmanager
def bare(someone: Person) -> Iterator[Kernel]:
    """Another kernel of our server, past the proxy."""
    server, kernel_id = someone.server(), someone.lab("POST", "/api/kernels", json={"name": "python3"}).json()["id"]
    headers = {"Authorization": f"token {server.token}"}
    address = f"ws://localhost/api/kernels/{kernel_id}/channels"
    path = str(socket_path(server))
    with closing(unix_connect(path, address, additional_headers=headers, max_size=None, legacy=True)) as connection:
        yield Channel(kernel_id, connection)


def alternate(trip: Callable[[Kernel], None], sides: dict[str, Kernel]) -> dict[str, list[float]]:
    """Milliseconds of each side's round trips, in turns; the first few do not count."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(TURNS + 1):
        for name, kernel in sides.items():
            for _ in range(TRIPS):
                began = time.perf_counter()
                trip(kernel)
                if turn:
                    times[name].append((time.perf_counter() - began) * 1000)
    return times


def ask(kernel: Kernel) -> None:
    """Until the answer is there."""
    message = kernel.send("kernel_info_request", {})
    while True:
        answer = json.loads(kernel.socket.recv(timeout=PATIENCE_SECONDS))
        if answer["msg_type"] == "kernel_info_reply" and answer["parent_header"]["msg_id"] == message:
            return


def ping(kernel: Kernel) -> None:
    """Until the pong is there."""
    if not kernel.socket.ping().wait(PATIENCE_SECONDS):
        raise SystemExit("no pong came")


def report(what: str, times: dict[str, list[float]]) -> None:
    """Median and p95 of each, and the ratio of the two proxies' medians, which are the first."""
    print(f"  {what}, {len(times['nginx'])} of each")
    for name, values in times.items():
        print(f"    {name:24} median {statistics.median(values):6.2f} ms, p95 {p95(values):6.2f} ms")
    nginx, proxy, *_ = map(statistics.median, times.values())
    print(f"    ratio of the first two {nginx / proxy:.2f}", flush=True)
