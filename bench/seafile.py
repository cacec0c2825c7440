"""Seafile's Web API: 2,000 small files by its clients, and how soon a write by one door is seen by the others.

rclone's `seafile` backend and ebrains-drive, beside the same by WebDAV and between two local folders; once each: rclone
asks a Seafile server no more than ten times in a second, and so takes seven minutes each way.
"""

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from drive.libraries import services
from drive.storage import layout

from .common import install, person, running_site
from .webdav import BYTES, FILES, copy, login, make_tree, rclone, write_configuration

CLIENT = ("ebrains-drive==0.7.0", "tqdm==4.67.1")
WRITES = 20
"""For each pair of doors."""
JOB = """
import sys, time
from pathlib import Path
from ebrains_drive import DriveApiClient

server, token, library, tree, target = sys.argv[1:]
client = DriveApiClient(token=token)
client.server = server
folder = client.repos.get_repo(library).get_dir("/").mkdir("by ebrains-drive")
files = sorted(path for path in Path(tree).rglob("*") if path.is_file())
began = time.perf_counter()
made = [folder.upload_local_file(str(path), name=path.name) for path in files]
print(time.perf_counter() - began)
began = time.perf_counter()
for path, file in zip(files, made):
    (Path(target) / path.name).write_bytes(file.get_content())
print(time.perf_counter() - began)
assert all((Path(target) / path.name).read_bytes() == path.read_bytes() for path in files)
"""


def main() -> None:
    """All of it."""
    with running_site(), tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as directory:
        someone, place = person("bench-seafile"), Path(directory)
        library = services.create_library(someone.user, "Bench")
        _token, secret = create_token(someone.user, name="bench", scopes=[Scope.READ, Scope.WRITE], days=1)
        doors(library.pk, secret)
        small_files(place, library.pk, secret)


def small_files(place: Path, library: UUID, secret: str) -> None:
    """Copies of a tree by each client, up and down."""
    tree = make_tree(place)
    write_configuration(place, secret, 9)
    password = rclone(place, "obscure", secret).strip()
    with (place / "rclone.conf").open("a") as file:
        user = "bench-seafile"
        file.write(f"[seafile]\ntype = seafile\nurl = {settings.PORTAL_URL}\nuser = {user}\npass = {password}\n")
    targets = {"local folders": f"{place}/local", "rclone, webdav": "site:My Libraries/Bench/w"}
    for name, target in (targets | {"rclone, seafile": "seafile:Bench/s"}).items():
        report(f"up, {name}", copy(place, str(tree), target))
        report(f"down, {name}", copy(place, target, f"{place}/down {name}"))
        assert files_of(Path(f"{place}/down {name}")) == files_of(tree), name
    (place / "by client").mkdir()
    words = [settings.PORTAL_URL, secret, str(library), str(tree), str(place / "by client")]
    environment = os.environ | {"PYTHONPATH": str(install(place, *CLIENT))}
    done = subprocess.run([sys.executable, "-c", JOB, *words], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    for way, seconds in zip(("up", "down"), map(float, done.stdout.split()), strict=True):
        report(f"{way}, ebrains-drive", seconds)


def files_of(folder: Path) -> dict[str, bytes]:
    """Contents by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def report(name: str, seconds: float) -> None:
    """One line."""
    print(f"  {FILES} files of {BYTES} bytes, {name:24} {seconds:6.1f} s  {FILES / seconds:6.1f} files/s", flush=True)


class Doors:
    """The ways to write and read one file of a library, each as its programs do."""

    def __init__(self, library: UUID, secret: str) -> None:
        self.library, self.place = library, layout.find(library)
        self.session = requests.Session()
        self.session.headers.update(login(secret))

    def ask(self, method: str, address: str, **more: object) -> requests.Response:
        answer = self.session.request(method, f"{settings.PORTAL_URL}{address}", timeout=60, **more)  # type: ignore[arg-type]
        assert answer.ok or answer.status_code == 404, (method, address, answer.status_code, answer.text[:200])
        return answer

    def write(self, door: str, name: str, content: bytes) -> None:
        match door:
            case "WebDAV":
                self.ask("PUT", f"/dav/{quote('My Libraries/Bench')}/{name}", data=content)
            case "API":
                self.ask("PUT", f"/api/v1/libraries/{self.library}/files/{name}", data=content)
            case "Seafile":
                link = self.ask("GET", f"/api2/repos/{self.library}/upload-link/?p=/").json()
                fields = {"parent_dir": "/", "replace": "1"}
                requests.post(link, data=fields, files={"file": (name, content)}, timeout=60).raise_for_status()
            case _:
                (self.place / name).write_bytes(content)

    def read(self, door: str, name: str) -> bytes:
        """The content; b"" where there is none."""
        match door:
            case "WebDAV":
                answer = self.ask("GET", f"/dav/{quote('My Libraries/Bench')}/{name}")
            case "API":
                answer = self.ask("GET", f"/api/v1/libraries/{self.library}/files/{name}")
            case "Seafile":
                answer = self.ask("GET", f"/api2/repos/{self.library}/file/?p=/{name}")
                answer = requests.get(answer.json(), timeout=60) if answer.ok else answer
            case _:
                path = self.place / name
                return path.read_bytes() if path.exists() else b""
        return answer.content if answer.ok else b""


def doors(library: UUID, secret: str) -> None:
    """From the answer to a write by one door to an answer by another that has it, and how many it took."""
    ways, names = Doors(library, secret), ("WebDAV", "API", "Seafile", "disk")
    numbers: Callable[[], int] = itertools.count().__next__
    for writer in names:
        for reader in (name for name in names if name != writer):
            times, most = [], 0
            for number in range(WRITES):
                content, asked = f"{writer} {reader} {numbers()}".encode(), 1
                ways.write(writer, f"{number % 2}.txt", content)
                began = time.perf_counter()
                while ways.read(reader, f"{number % 2}.txt") != content:
                    asked += 1
                times.append(time.perf_counter() - began)
                most = max(most, asked)
            median, worst = (1000 * value for value in (statistics.median(times), max(times)))
            print(f"  {writer:8} to {reader:8} {median:6.1f} ms, worst {worst:6.1f}, {most} asked")
