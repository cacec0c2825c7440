"""A small disk that is really full: the site on a tmpfs, filled by uploads as far as the reserve, then as a Lab would.

The processes have a mount namespace of their own (bubblewrap), in which the site's directory is a copy in memory. What
the test process has in its own is another; so it asks over HTTP alone, and looks by way of /proc.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from collabs.models import Collab
from lab.supervisor import processes

from ..support.people import Person
from ..support.site import CODE, DATABASE, Site, wait_for

pytestmark = pytest.mark.sandbox

MIB = 2**20
RESERVE = 40 * MIB
ROOM = 30 * MIB
"""What the small disk has beyond the site's own files and the reserve."""
COPIED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
PROCESSES = ("broker", "web", "webdav", "worker", "files", "proxy")


class SmallDisk:
    """A running site on a full disk, and one person's library in it."""

    def __init__(self, root: Path, person: Person, collab: Collab) -> None:
        self.root = root
        _token, secret = create_token(person.user, name="test", scopes=tuple(Scope), days=1)
        self.client = requests.Session()
        self.authorization = f"Bearer {secret}"
        self.client.headers["Authorization"] = self.authorization
        self.files = f"{settings.PORTAL_URL}/api/v1/libraries/{collab.library.pk}/files"
        self.library = collab.library

    def inside(self, path: Path) -> Path:
        """A path as the site's processes see it."""
        return self.root / path.relative_to("/")

    @property
    def free(self) -> int:
        disk = os.statvfs(self.inside(settings.VAR_DIR))
        return disk.f_bavail * disk.f_frsize

    def put(self, name: str, size: int) -> requests.Response:
        return self.client.put(f"{self.files}/{name}", data=bytes(size), timeout=60)

    def delete(self, name: str) -> requests.Response:
        return self.client.delete(f"{self.files}/{name}", timeout=60)


@pytest.fixture
def disk(site: Site, collab: Collab, editor: Person, tmp_path: Path) -> Iterator[SmallDisk]:
    """The site on a small disk; afterwards the usual one again."""
    var, original = settings.VAR_DIR, tmp_path / "original"
    token_holder = SmallDisk(Path("/"), editor, collab)
    site.end()
    try:
        with _small(var, original, tmp_path, site) as root:
            token_holder.root = root
            yield token_holder
    finally:
        site.start()


@contextlib.contextmanager
def _small(var: Path, original: Path, tmp_path: Path, site: Site) -> Iterator[Path]:
    """The site on a small disk; yields its root directory."""
    shutil.copytree(var, original, symlinks=True, ignore=_left_out)
    here, there = sqlite3.connect(var / DATABASE), sqlite3.connect(original / DATABASE)
    with contextlib.closing(here), contextlib.closing(there):
        here.backup(there)
    used = int(subprocess.check_output(["du", "-s", "-B1", str(original)], text=True).split()[0])
    procfile = tmp_path / "Procfile"
    lines = (CODE / "Procfile").read_text().splitlines()
    procfile.write_text("".join(f"{line}\n" for line in lines if line.partition(":")[0] in PROCESSES))
    inside = f'cp -a "{original}/." "{var}/" && mkdir -p "{var}/lab" && exec "$@"'
    command = ["bwrap", "--dev-bind", "/", "/", "--size", str(used + RESERVE + ROOM), "--tmpfs", str(var)]
    command += ["--bind", str(settings.RUN_DIR), str(settings.RUN_DIR)] if settings.RUN_DIR.is_relative_to(var) else []
    command += ["sh", "-c", inside, "sh", sys.executable, "-S", "bin/keep", str(procfile)]
    environment = site.environment | {"DISK_RESERVE_BYTES": str(RESERVE)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CODE, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: _answers() or process.poll() is not None, 90, "the site did not start")
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        [keeper, *_others] = processes.children(process.pid)
        yield Path(f"/proc/{keeper}/root")
    finally:
        for pid in processes.children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        process.wait(60)
        print((tmp_path / "log").read_text()[-3000:])


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What is not copied: Labs, the database, which is being written, and what other tests left that is no file."""
    special = {name for name in names if stat.S_IFMT(os.lstat(f"{folder}/{name}").st_mode) not in COPIED}
    return special | shutil.ignore_patterns("lab", "site.log", f"{DATABASE}*")(folder, names)


def _answers() -> bool:
    try:
        return requests.get(f"{settings.PORTAL_URL}/healthz", timeout=5).status_code == 200
    except OSError:
        return False


def pids(root: Path) -> dict[str, str]:
    """Which process each line of the Procfile is now."""
    return {name: (root / f"{name}.keep").read_text() for name in PROCESSES}


def fill(path: Path, disk: SmallDisk, left: int) -> None:
    """Write, as a Lab may that asks nobody, until so many bytes are left."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while disk.free > left:
            file.write(bytes(min(MIB, disk.free - left)))


def until_full(disk: SmallDisk) -> requests.Response:
    for number in range(12):
        answer = disk.put(f"{number}.bin", 4 * MIB)
        if answer.status_code == 507:
            return answer
        assert answer.status_code == 201, answer.text
    raise AssertionError("it was never full")


def test_uploads_end_before_the_reserve_and_deleting_goes_on(disk: SmallDisk, editor: Person) -> None:
    full = until_full(disk).json()
    assert (full["error"], "Delete what is not needed" in full["message"]) == ("insufficient_storage", True)
    assert disk.free > RESERVE - MIB
    fill(disk.inside(settings.DRIVE_ROOT) / f"private/{disk.library.pk}/filler", disk, RESERVE // 4)
    page = f"/drive/{disk.library.pk}/"
    assert disk.put("more.bin", 1).status_code == 507
    assert editor.get(page).status_code == 200
    assert editor.submit(page, page, {"do": "folder", "name": "a"}).status_code in (200, 302)
    removed = disk.delete("filler")
    assert removed.status_code == 204, removed.text
    trash = f"{settings.PORTAL_URL}/api/v1/libraries/{disk.library.pk}/trash"
    assert disk.client.delete(trash, timeout=60).status_code == 204
    wait_for(lambda: disk.free > RESERVE - 4 * MIB, 60, "nothing was removed")
    assert disk.delete("0.bin").status_code == 204
    assert disk.client.delete(trash, timeout=60).status_code == 204
    wait_for(lambda: disk.put("again.bin", MIB).status_code == 201, 60, "it takes no upload again")


def slow_put(disk: SmallDisk, name: str, size: int) -> socket.socket:
    """Begin an upload of so many bytes."""
    address = urlsplit(f"{disk.files}/{name}")
    lines = [f"PUT {address.path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {size}"]
    lines += [f"Authorization: {disk.authorization}", "Connection: close", "", ""]
    connection = socket.create_connection(("127.0.0.1", address.port or 80), 30)
    connection.sendall("\r\n".join(lines).encode())
    return connection


def test_uploads_that_each_fit_and_together_do_not_leave_the_reserve(disk: SmallDisk) -> None:
    """All are asked for before any has sent much; as many go on as there is room for, and the others are told."""
    before, size = disk.free, (disk.free - RESERVE) * 2 // 5
    with contextlib.ExitStack() as opened:
        uploads = [opened.enter_context(slow_put(disk, f"{number}.bin", size)) for number in range(6)]
        refused = [one for one in uploads if select.select([one], [], [], 5)[0]]
        assert [one.recv(12) for one in refused] == [b"HTTP/1.1 507"] * 4
        going = [one for one in uploads if one not in refused]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.sendall(bytes(size)), going))
        assert [one.recv(12) for one in going] == [b"HTTP/1.1 201"] * 2
    assert before > disk.free > RESERVE
    assert disk.put("more.bin", size).status_code == 507


def test_the_site_comes_back_by_itself_from_a_disk_without_a_single_byte(disk: SmallDisk) -> None:
    assert disk.put("a.bin", MIB).status_code == 201
    before = pids(settings.RUN_DIR)
    filler = disk.inside(settings.DRIVE_ROOT) / f"private/{disk.library.pk}/filler"
    fill(filler, disk, 0)
    for _attempt in range(10):
        answer = disk.put("more.bin", 3 * MIB)
        assert answer.status_code in (502, 503, 507)
        assert answer.headers["Content-Type"].startswith("application/json")
    filler.unlink()  # as its Lab does
    wait_for(lambda: disk.put("more.bin", MIB).status_code == 201, 60, "it takes no upload again")
    assert disk.client.get(f"{disk.files}/a.bin", timeout=60).content == bytes(MIB)
    assert pids(settings.RUN_DIR) == before
