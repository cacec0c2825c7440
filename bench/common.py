"""Common parts of the benchmarks: a running site with people, bare Jupyter servers to compare with, reports."""

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from lab.models import State, StopReason
from lab.servers.services import stop_server
from portal.models import User
from tests.support.people import Person
from tests.support.site import Site, wait_for

LOG_LINES = 30
POLL_SECONDS = 0.005
REMEMBERED_SECONDS = 2.5
"""So long the proxy may remember where the same request went before; nobody's browser asks the same so soon again."""
START_SECONDS = 300
ENOUGH_FOR_P95 = 20
"""With fewer values it would be the worst one by another name."""
LEAN = ("--ServerApp.jpserver_extensions={'jupyterlab': True, 'jupyter_lsp': False, 'notebook_shim': False}",)
"""Without the server extensions that a Lab leaves out (lab/supervisor/launch.py)."""


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    """The site of this process's settings (bin/bench makes them); the end of its log is shown when something fails."""
    site = Site()
    with _localhost_names():
        site.prepare()
        try:
            site.start()
            yield site
        except BaseException:
            print("".join(site.log.read_text(errors="replace").splitlines(keepends=True)[-LOG_LINES:]), file=sys.stderr)
            raise
        finally:
            site.stop()


@contextlib.contextmanager
def _localhost_names() -> Iterator[None]:
    """*.localhost is loopback (RFC 6761), as in browsers; the C library does not know that everywhere."""
    real = socket.getaddrinfo

    def lookup(host: str, *arguments: object, **options: object) -> object:
        return real("127.0.0.1" if str(host).endswith(".localhost") else host, *arguments, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = lookup  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.getaddrinfo = real


# People


def person(name: str) -> Person:
    """Somebody new, signed in."""
    return Person(User.objects.create_user(name, email=f"{name}@example.org", password="unused"))


def leave(*people: Person) -> None:
    """Stop their servers and wait until they are gone."""
    for someone in people:
        stop_server(None, someone.server(), StopReason.OPERATOR)
    for someone in people:
        wait_for(lambda someone=someone: someone.server().state == State.STOPPED, 120, "a server did not stop")  # type: ignore[misc]


def install(place: Path, *packages: str) -> Path:
    """A directory for PYTHONPATH with these packages and what they need."""
    target = place / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, *packages], check=True)
    return target


# HTTP


class Client:
    """One kept connection, and as little work per request as there can be: the servers are measured, not this."""

    _LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

    def __init__(self, address: str | tuple[str, int], host: str, headers: dict[str, str]) -> None:
        """`address`: the path of a unix socket, or host and port."""
        self.address = address
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": host} | headers).items())
        self._connect()

    def _connect(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        self.socket.settimeout(START_SECONDS)
        self.socket.connect(self.address)

    def get(self, path: str) -> int:
        """Read one answer to its end; returns its status."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{self.headers}\r\n".encode())
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        head = bytes(received[: end + 2])
        length = self._LENGTH.search(head)
        if length is None:
            raise ConnectionError(f"no Content-Length: {head.decode(errors='replace')}")
        missing = end + 4 + int(length[1]) - len(received)
        while missing > 0:
            missing -= len(self._receive())
        if b"\r\nConnection: close" in head:  # nginx does so after a thousand requests
            self.reconnect()
        return int(head[9:12])

    def _receive(self) -> bytes:
        data = self.socket.recv(2**18)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        return data

    def reconnect(self) -> None:
        """Begin anew after a failure."""
        self.close()
        self._connect()

    def close(self) -> None:
        self.socket.close()


def through_proxy(someone: Person) -> Client:
    """A connection to the person's Lab as their JupyterLab has it: through nginx, with their pass."""
    port = int(settings.PORTAL_URL.rpartition(":")[2])
    headers = {"Cookie": someone.cookies(), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    return Client(("127.0.0.1", port), someone.origin.removeprefix("http://"), headers)


def ask_once(someone: Person) -> None:
    """One request to the person's Lab, as they come anew."""
    with contextlib.closing(through_proxy(someone)) as client:
        status = client.get("/api/status")
    if status != 200:
        raise SystemExit(f"the proxy said {status}")


# What a Lab is compared to


class Bare:
    """`jupyter lab` of the Lab's base environment, as somebody starts it on their own machine."""

    def __init__(self, options: Sequence[str] = (), *, port: int = 0, files: Sequence[Path] = ()) -> None:
        """Start the process; does not wait. On a unix socket, unless there is a port; `files` are in its home."""
        self.directory = tempfile.TemporaryDirectory(prefix="jl-")
        home = self.directory.name
        for file in files:
            shutil.copy(file, home)
        self.address: str | tuple[str, int] = ("127.0.0.1", port) if port else f"{home}/socket"
        self.log = Path(home, "log")
        where = (
            [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else [f"--ServerApp.sock={home}/socket"]
        )
        command = [f"{settings.LAB_BASE_ENVIRONMENT}/bin/jupyter-lab", "--no-browser", *options, *where]
        command += [f"--ServerApp.root_dir={home}", "--IdentityProvider.token=bench"]
        environment = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)

    def client(self) -> Client:
        return Client(self.address, "localhost", {"Authorization": "token bench"})

    def wait(self) -> "Bare":
        """Until it answers. Its socket is there only once it is nearly up, so looking costs nothing before."""
        wait_for(self._answers, START_SECONDS, "jupyter lab did not start")
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text(errors="replace"))
        with contextlib.suppress(OSError), contextlib.closing(self.client()) as client:
            return client.get("/api/status") == 200
        return False

    def memory(self) -> float:
        """Proportional set size in MiB."""
        return pss(self.process.pid)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


def pss(pid: int) -> float:
    """Proportional set size of a process in MiB (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


# Reports


def compare(what: str, ours: Sequence[float], other: str, theirs: Sequence[float], unit: str) -> None:
    """Medians, worst values and the ratio of the medians."""
    show(what, ours, unit)
    show(other, theirs, unit)
    print(f"    {ratio(ours, theirs)}", flush=True)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Of the medians; of the p95 as well where both have one."""
    medians = f"ratio {statistics.median(ours) / statistics.median(theirs):.3f}"
    enough = min(len(ours), len(theirs)) >= ENOUGH_FOR_P95
    return f"{medians}, of the p95 {p95(ours) / p95(theirs):.3f}" if enough else medians


def show(what: str, values: Sequence[float], unit: str) -> None:
    """Median, p95 where there are enough, least and most of some values."""
    high = f", p95 {p95(values):.2f}" if len(values) >= ENOUGH_FOR_P95 else ""
    spread = f"   ({min(values):.2f} to {max(values):.2f}{high}, n = {len(values)})" if len(values) > 1 else ""
    print(f"  {what:44} {statistics.median(values):8.2f} {unit}{spread}", flush=True)


def p95(values: Sequence[float]) -> float:
    """95th percentile, interpolated between two values."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def sleep_until_idle() -> None:
    """Let what a start still does by itself come to an end."""
    time.sleep(3)
