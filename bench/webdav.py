"""WebDAV: 2,000 small files by rclone, a gibibyte, and listings of large folders, beside what they are compared to.

rclone copies the same tree in turns between two local folders, to its own `rclone serve webdav`, and to the site; a
gibibyte goes up and down beside nginx alone; WsgiDAV's own server lists the same folders. rclone paces its requests by
itself, in all but the first.
"""

import base64
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from drive.libraries import services
from drive.storage import layout
from tests.support.site import wait_for

from .common import install, person, running_site
from .transfer import SIZE, bare_nginx, fill, peak_memory, portal, request

FILES, BYTES, TURNS = 2000, 4096, 3
FOLDERS = (10, 1000, 100_000)
TRANSFERS = 8
WSGIDAV = ("wsgidav==4.4.0", "cheroot")
PROPERTIES = "displayname getlastmodified getcontentlength resourcetype getetag".split()


def main() -> None:
    """All of it; the medians."""
    with running_site() as site, tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as directory:
        someone, place = person("bench-webdav"), Path(directory)
        library = services.create_library(someone.user, "Bench")
        _token, secret = create_token(someone.user, name="bench", scopes=[Scope.READ, Scope.WRITE], days=1)
        small_files(place, secret)
        large_file(place, secret)
        folder = layout.find(library.pk)
        make_folders(folder)
        with peak_memory(site, ["webdav"]) as peak:
            listings(f"{settings.PORTAL_URL}/dav/{quote('My Libraries/Bench')}", login(secret), "site")
        print(f"  most memory of a process of WebDAV meanwhile: {max(peak) / 2**20:.0f} MiB")
        with wsgidav(place, folder) as (address, process):
            listings(address, {}, "WsgiDAV")
            print(f"  most memory of WsgiDAV's: {high_water(process.pid) / 2**20:.0f} MiB")


def small_files(place: Path, secret: str) -> None:
    """rclone copy of many small files, up and down."""
    tree = make_tree(place)
    (place / "served").mkdir()
    with served_by_rclone(place / "served") as port:
        write_configuration(place, secret, port)
        targets = {
            "local folders": f"{place}/local",
            "rclone serve webdav": "other:",
            "site": "site:My Libraries/Bench/",
        }
        times: dict[str, list[float]] = {}
        for turn in range(TURNS):
            for name, target in targets.items():
                there = f"{target}/{turn}" if name == "local folders" else f"{target}{turn}"
                times.setdefault(f"up, {name}", []).append(copy(place, str(tree), there))
                times.setdefault(f"down, {name}", []).append(copy(place, there, f"{place}/down {name} {turn}"))
    for name, values in sorted(times.items()):
        seconds = statistics.median(values)
        print(f"  {FILES} files of {BYTES} bytes, {name:28} {seconds:6.1f} s  {FILES / seconds:6.0f} files/s")


def make_tree(place: Path) -> Path:
    """Many small files, in twenty folders."""
    tree = place / "tree"
    for number in range(FILES):
        path = tree / f"{number % 20}/{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(BYTES))
    return tree


def copy(place: Path, source: str, target: str) -> float:
    """Seconds of an `rclone copy`."""
    began = time.perf_counter()
    rclone(place, "copy", "--transfers", str(TRANSFERS), source, target)
    return time.perf_counter() - began


def rclone(place: Path, *command: str) -> str:
    """Output of rclone with the configuration there."""
    done = ["rclone", "--config", str(place / "rclone.conf"), *command]
    return subprocess.run(done, check=True, capture_output=True, text=True).stdout


def write_configuration(place: Path, secret: str, port: int) -> None:
    """Remotes `site` and `other`."""
    password = subprocess.run(["rclone", "obscure", secret], check=True, capture_output=True, text=True).stdout
    (place / "rclone.conf").write_text(
        f"[site]\ntype = webdav\nvendor = owncloud\nurl = {settings.PORTAL_URL}/dav\nuser = x\npass = {password}\n"
        f"[other]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{port}\n"
    )


@contextmanager
def served_by_rclone(folder: Path) -> Iterator[int]:
    """The port of an `rclone serve webdav`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["rclone", "serve", "webdav", str(folder), "--addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _listens(port), 30, "rclone does not serve")
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def login(secret: str) -> dict[str, str]:
    """The header of a program."""
    return {"Authorization": f"Basic {base64.b64encode(f'x:{secret}'.encode()).decode()}"}


def large_file(place: Path, secret: str) -> None:
    """A gibibyte up and down, beside nginx alone."""
    source, address = place / "large.bin", "/dav/My%20Libraries/Bench/large.bin"
    fill(source)
    headers = login(secret)
    request(portal(), "PUT", address, source, headers)
    with bare_nginx() as bare:
        ways: dict[str, Callable[[], object]] = {
            "up, nginx alone": lambda: bare(source),
            "up, nginx and fsync": lambda: bare(source, sync=True),
            "up, WebDAV": lambda: request(portal(), "PUT", f"{address}.{time.time_ns()}", source, headers),
            "up, WebDAV, a new version": lambda: request(portal(), "PUT", address, source, headers),
            "down, nginx alone": lambda: bare(None),
            "down, WebDAV": lambda: request(portal(), "GET", address, None, headers),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(TURNS):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                times[name].append(time.perf_counter() - began)
    rates = {name: SIZE / 2**20 / statistics.median(values) for name, values in times.items()}
    for name, rate in rates.items():
        alone = rates[f"{name.partition(',')[0]}, nginx alone"]
        print(f"  1 GiB {name:26} {rate:6.0f} MiB/s  {rate / alone:4.0%}")


def make_folders(library: Path) -> None:
    """Folders of several sizes."""
    for number in FOLDERS:
        folder = library / str(number)
        folder.mkdir()
        for index in range(number):
            (folder / f"recording {index:06}.csv").touch()


def listings(address: str, headers: dict[str, str], name: str) -> None:
    """PROPFIND of folders of several sizes."""
    body = f"<propfind xmlns='DAV:'><prop>{''.join(f'<{name}/>' for name in PROPERTIES)}</prop></propfind>"
    for number in FOLDERS:
        times, size = [], 0
        for _ in range(TURNS):
            began = time.perf_counter()
            answer = requests.request(
                "PROPFIND", f"{address}/{number}", data=body, headers=headers | {"Depth": "1"}, timeout=600
            )
            assert answer.status_code == 207, answer.text
            times.append(time.perf_counter() - began)
            size = len(answer.content)
        seconds, mib = statistics.median(times), size / 2**20
        print(
            f"  PROPFIND of {number:7,} entries, {name:8} {seconds:6.3f} s, {mib:5.1f} MiB, {1 / seconds:.1f} a second"
        )


@contextmanager
def wsgidav(place: Path, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of WsgiDAV's own server, with its file system provider over a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(install(place, *WSGIDAV))}
    options = ["--host", "127.0.0.1", "--port", str(port), "--root", str(folder), "--auth", "anonymous", "--quiet"]
    server = subprocess.Popen([sys.executable, "-m", "wsgidav.server.server_cli", *options], env=environment)
    try:
        wait_for(lambda: _listens(port), 60, "WsgiDAV does not serve")
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(30)


def high_water(pid: int) -> int:
    """The largest resident size that a process has had, in bytes."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
