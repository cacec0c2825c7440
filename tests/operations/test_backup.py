"""The command as an operator runs it, on the running site: people work, it is killed, the disk is full."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from collabs.models import Collab
from drive.files import operations
from drive.storage import layout
from drive.versions import trash

from ..support.people import Person
from ..support.site import CODE, Site, wait_for

pytestmark = pytest.mark.sandbox
Run = Callable[..., subprocess.CompletedProcess[str]]
OFTEN = 0.02
"""Seconds between two changes: many in each part of a backup, and a processor is left to make it."""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def manage(site: Site) -> Run:
    """`manage.py` with these words, as another process; `at` says where another site is."""

    def run(*words: object, at: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CODE / "manage.py"), *map(str, words)]
        return subprocess.run(command, env=site.environment | (at or {}), capture_output=True, text=True, cwd=CODE)

    return run


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of another, empty site."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    with tempfile.TemporaryDirectory(prefix="run-") as run:  # the address of a socket is short
        yield _variables(place, run)


def _variables(place: Path, run: str) -> dict[str, str]:
    return {
        "COLLABORATORY_VAR": str(place),
        "COLLABORATORY_RUN": run,
        "DRIVE_ROOT": str(place / "drive"),
        "LAB_ROOT": str(place / "lab"),
        "DATABASE_URL": f"sqlite:///{place}/portal.sqlite3",
    }


@pytest.fixture
def busy(collab: Collab, owner: Person) -> Iterator[list[str]]:
    """People who save, rename and throw away all the time, and a notebook that moves folders; what was saved so far."""
    done, saved = threading.Event(), []
    library, place = collab.library, layout.find(collab.library.pk)

    def work() -> None:
        for number in range(10_000):
            if done.is_set():
                return
            name = f"note {number % 20}.txt"
            operations.write(owner.user, library, name, f"{number}\n".encode() * 1000)
            saved.append(name)
            if number % 7 == 0:
                trash.delete(owner.user, library, name)
            done.wait(OFTEN)

    def move() -> None:
        (place / "moving").mkdir()
        (place / "moving/data.bin").write_bytes(b"data" * 1000)
        while not done.is_set():
            (place / "moving").rename(place / "moved")
            (place / "moved").rename(place / "moving")
            done.wait(OFTEN)

    threads = [threading.Thread(target=work), threading.Thread(target=move)]
    for thread in threads:
        thread.start()
    yield saved
    done.set()
    for thread in threads:
        thread.join()


def test_it_backs_up_a_site_that_people_work_on(
    busy: list[str], manage: Run, shelf: Path, elsewhere: dict[str, str], collab: Collab
) -> None:
    wait_for(lambda: len(busy) > 10, 20, "nobody works")
    for _round in range(3):
        made = manage("backup", shelf)
        assert made.returncode == 0, made.stderr
        assert "missing" not in made.stderr
        time.sleep(1)
    assert manage("backup", shelf, "--verify", "all").returncode == 0
    restored = manage("restore", shelf, at=elsewhere)
    assert restored.returncode == 0, restored.stderr
    assert "missing" not in restored.stderr.replace("was restored meanwhile, or is missing", "")
    place = Path(elsewhere["DRIVE_ROOT"]) / f"private/{collab.library.pk}"
    assert (place / "moving/data.bin").exists() or (place / "moved/data.bin").exists()
    started = manage("first_start", at=elsewhere)
    assert started.returncode == 0, started.stderr
    assert manage("restore", shelf, at=elsewhere).returncode == 1  # it is not empty any more


def test_it_may_be_killed_at_any_moment(site: Site, manage: Run, shelf: Path, collab: Collab) -> None:
    place = layout.find(collab.library.pk)
    for number in range(300):
        (place / f"{number}.bin").write_bytes(os.urandom(100_000))
    command = [sys.executable, str(CODE / "manage.py"), "backup", str(shelf)]
    cut_off = 0
    for _attempt in range(4):
        running = subprocess.Popen(command, env=site.environment, cwd=CODE, stdout=subprocess.DEVNULL)
        wait_for(lambda: list(shelf.glob("unfinished-*")) or running.poll() is not None, 60, "it did not begin")  # noqa: B023
        time.sleep(random.uniform(0, 0.5))
        running.send_signal(signal.SIGKILL)
        cut_off += running.wait() == -signal.SIGKILL
        names = manage("backup", shelf, "--list").stdout.split("\n")[:-1]
        assert len(names) == len(
            [path for path in shelf.iterdir() if (path / "backup.json").exists() and path.name[0] == "2"]
        )
    assert cut_off > 0
    time.sleep(1)
    made = manage("backup", shelf, "--keep", "1")
    assert made.returncode == 0, made.stderr
    assert manage("backup", shelf, "--verify", "all").returncode == 0
    assert not list(shelf.glob("unfinished-*"))
    assert len(list(shelf.glob("2*"))) == 1


FULL = """
set -e
mount -t tmpfs -o size={size}m tmpfs {shelf}
{manage} backup {shelf}
fallocate -l $(($(df --output=avail -m {shelf} | tail -n 1) - {reserve} - 100))m {shelf}/room
dd if=/dev/urandom of={place}/large.bin bs=1M count=150 2>/dev/null
sleep 1
{manage} backup {shelf} && exit 9
ls -A {shelf}
{manage} backup {shelf} --verify all
"""


def test_it_says_that_the_disk_is_full_and_keeps_what_was_whole(
    site: Site, shelf: Path, manage: Run, collab: Collab
) -> None:
    """The disk has room for 100 MiB besides the first backup and its reserve; the new file has 150.

    The first may need more while it is made than in the end, so the disk is filled up after it.
    """
    assert manage("backup", shelf).returncode == 0
    taken = int(subprocess.check_output(["du", "-sm", shelf], text=True).split()[0])
    shutil.rmtree(shelf)
    shelf.mkdir()
    place = layout.find(collab.library.pk)
    (place / "small.txt").write_text("small")
    reserve = settings.DISK_RESERVE_BYTES // 2**20
    size, manage_py = 2 * taken + reserve + 500, f"{sys.executable} {CODE}/manage.py"
    script = FULL.format(shelf=shelf, size=size, reserve=reserve, place=place, manage=manage_py)
    command = ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]
    try:
        done = subprocess.run(command, env=site.environment, capture_output=True, text=True, cwd=CODE)
    finally:
        (place / "large.bin").unlink(missing_ok=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is full as far as its reserve (DISK_RESERVE_BYTES). No backup was made; earlier ones are" in done.stderr
    assert "unfinished" not in done.stdout
    assert "Intact: 2" in done.stdout
