"""Uploads and downloads of one gibibyte through the portal, beside nginx alone writing and serving the same file.

The same client, the same disk, in turns; and how much memory the portal's processes take meanwhile.
"""

import base64
import http.client
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from drive.libraries import services
from drive.storage import layout
from tests.support.people import Person
from tests.support.site import Site, wait_for

from .common import person, running_site

SIZE, PIECE, CHUNK, TURNS = 2**30, 64 * 2**20, 2**20, 3

BARE = """
daemon off; pid {place}/pid; error_log {place}/error.log; worker_processes 2;
events {{ }}
http {{
    access_log off; sendfile on; tcp_nopush on; client_max_body_size 0;
    client_body_temp_path {place}/body; proxy_temp_path {place}/unused; fastcgi_temp_path {place}/unused;
    uwsgi_temp_path {place}/unused; scgi_temp_path {place}/unused;
    server {{ listen 127.0.0.1:{port}; location / {{ root {place}/files; dav_methods PUT; }} }}
}}
"""


def main() -> None:
    """Each way in turns; the medians."""
    with running_site() as site, bare_nginx() as bare, tempfile.NamedTemporaryFile(dir=settings.VAR_DIR) as file:
        source = Path(file.name)
        fill(source)
        someone = person("bench-transfer")
        library = services.create_library(someone.user, "Large")
        base = f"/drive/{library.pk}/"
        token = someone.get(base).text.partition('data-token="')[2].partition('"')[0]
        ways: dict[str, Callable[[], object]] = {
            "upload, nginx alone": lambda: bare(source),
            "upload, nginx and fsync": lambda: bare(source, sync=True),
            "upload, one PUT": lambda: put(someone, f"{base}new {time.time_ns()}.bin", source, token),
            "upload, tus": lambda: tus(someone, f"/drive/uploads/{library.pk}/", source, token),
            "download, nginx alone": lambda: bare(None),
            "download": lambda: request(portal(), "GET", f"{base}large.bin?show=raw", None, cookie(someone)),
        }
        put(someone, f"{base}large.bin", source, token)
        times: dict[str, list[float]] = {name: [] for name in ways}
        with peak_memory(site) as peak:
            for _ in range(TURNS):
                for name, way in ways.items():
                    times[name].append(seconds(way))
                    for new in layout.find(library.pk).glob("new *"):
                        new.unlink()
        report(times)
        print(f"  most memory of any of the portal's own processes: {max(peak) / 2**20:.0f} MiB")


def report(times: dict[str, list[float]]) -> None:
    """MiB per second, and the share of what nginx alone does."""
    rates = {name: SIZE / 2**20 / statistics.median(values) for name, values in times.items()}
    for name, rate in rates.items():
        alone = rates[f"{name.partition(',')[0]}, nginx alone"]
        print(f"  {name:24} {rate:6.0f} MiB/s   {rate / alone:4.0%}")


def fill(path: Path) -> None:
    """Bytes that no file system makes holes of."""
    with path.open("wb") as file:
        for _ in range(SIZE // CHUNK):
            file.write(os.urandom(CHUNK))


@contextmanager
def bare_nginx() -> Iterator[Callable[..., None]]:
    """nginx with nothing behind it, its files on the Drive's disk; yields what sends it a file, or fetches that."""
    with tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as name, socket.socket() as probe:
        place = Path(name)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (place / "files").mkdir()
        (place / "nginx.conf").write_text(BARE.format(place=place, port=port))
        command = ["nginx", "-p", name, "-c", f"{name}/nginx.conf", "-e", f"{name}/error.log"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

        def transfer(source: Path | None, sync: bool = False) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            path = "large.bin" if not source else f"new {time.time_ns()}.bin"
            request(connection, "PUT" if source else "GET", f"/{path.replace(' ', '%20')}", source, {})
            if sync:
                with (place / "files" / path).open("rb") as file:
                    os.fsync(file.fileno())
            if source:
                (place / "files" / path).replace(place / "files/large.bin")

        try:
            wait_for((place / "pid").exists, 10, "nginx did not start")
            yield transfer
        finally:
            process.terminate()
            process.wait()


def portal() -> http.client.HTTPConnection:
    """A new connection to the site's proxy."""
    address = urlsplit(settings.PORTAL_URL)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)


def cookie(someone: Person) -> dict[str, str]:
    cookies = "; ".join(f"{item.name}={item.value}" for item in someone.session.cookies)
    return {"Cookie": cookies, "Origin": settings.PORTAL_URL}


def request(
    connection: http.client.HTTPConnection, method: str, path: str, body: Path | bytes | None, headers: dict[str, str]
) -> int:
    """Send, and read the answer to its end; returns the status."""
    if isinstance(body, Path):
        with body.open("rb") as source:
            headers = headers | {"Content-Length": str(SIZE)}
            connection.request(method, path, Large(source), headers)
    else:
        connection.request(method, path, body, headers)
    answer = connection.getresponse()
    buffer = bytearray(CHUNK)
    while answer.readinto(buffer):
        pass
    connection.close()
    assert answer.status < 300, (method, path, answer.status)
    request.location = answer.headers.get("Location", "")  # type: ignore[attr-defined]
    return answer.status


class Large:
    """A body read in large pieces: http.client takes 8 KiB at a time otherwise."""

    def __init__(self, source: object) -> None:
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.source.read(CHUNK):  # type: ignore[attr-defined]
            yield piece


def put(someone: Person, path: str, source: Path, token: str) -> None:
    """The whole file in one request."""
    request(portal(), "PUT", path.replace(" ", "%20"), source, cookie(someone) | {"X-CSRFToken": token})


def tus(someone: Person, base: str, source: Path, token: str) -> None:
    """In pieces, as the pages do."""
    headers = cookie(someone) | {"X-CSRFToken": token, "Tus-Resumable": "1.0.0"}
    name = base64.b64encode(f"new {time.time_ns()}.bin".encode()).decode()
    begin = {"Upload-Length": str(SIZE), "Upload-Metadata": f"filename {name}", "Content-Length": "0"}
    request(portal(), "POST", base, None, headers | begin)
    address = request.location  # type: ignore[attr-defined]
    headers["Content-Type"] = "application/offset+octet-stream"
    with source.open("rb") as file:
        for offset in range(0, SIZE, PIECE):
            request(portal(), "PATCH", address, file.read(PIECE), headers | {"Upload-Offset": str(offset)})


@contextmanager
def peak_memory(site: Site, names: Sequence[str] = ("web", "proxy", "worker", "files")) -> Iterator[list[int]]:
    """The largest resident size seen of these processes and their children, in bytes."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            for name in names:
                main = site.pid(name)
                children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
                for pid in (main, *children):
                    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                    peak.append(pages * os.sysconf("SC_PAGE_SIZE"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield peak
    done.set()
    thread.join()


def seconds(work: Callable[[], object]) -> float:
    """By the clock on the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
