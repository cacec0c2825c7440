"""Bytes that a real Lab writes into the Drive: beyond a quota a library can only be read there until there is room."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drive.libraries import quota
from drive.models import Library, Quota
from drive.storage import layout
from lab.launchers import get_launcher
from lab.servers.lifecycle import follow_mounts
from lab.servers.reconciler import reconcile
from notices.models import Kind, Notice

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

MIB, GIB = 2**20, 2**30
MOST = 50 * MIB
DD = "for n in $(seq 500); do head -c 4M /dev/zero; sleep 0.02; done | dd of='{place}/big' bs=1M status=none"
"""2 GB within ten seconds or more, unless it is stopped."""
PLACE = "/home/{name}/drive/My Libraries/My Library"


@pytest.fixture
def filler(way: str, person: Callable[..., Person]) -> Iterator[Person]:
    """Somebody in a Lab whose libraries may have 50 MB."""
    someone = person("filler")
    Quota.objects.create(user=someone.user, max_bytes=quota.of_person(someone.user).used_bytes + MOST)
    try:
        someone.launch()
        yield someone
    finally:
        for path in place_of(someone).iterdir():
            path.unlink()
        Quota.objects.filter(user=someone.user).delete()


def place_of(someone: Person) -> Path:
    return layout.find(Library.objects.get(owner_user=someone.user, is_default=True).pk)


def why(someone: Person) -> str:
    return get_launcher().inspect()[someone.server().pk].drive_full_for


def fill(someone: Person) -> str:
    """What `dd` says at its end."""
    place = PLACE.format(name=someone.user.username)
    code = f"import subprocess; print(subprocess.run({DD.format(place=place)!r}, shell=True).returncode)"
    return someone.kernel().run(code, seconds=120).text.strip()


def test_a_lab_fills_no_library_beyond_its_quota(filler: Person) -> None:
    kernel, place = filler.kernel(), PLACE.format(name=filler.user.username)
    assert not kernel.run(f"open('{place}/small', 'w').write('before')").error
    assert fill(filler) != "0"
    wait_for(lambda: why(filler) == "quota", 30, "it can still write")
    grown = (place_of(filler) / "big").stat().st_size
    assert MOST < grown < 40 * MOST
    refused = kernel.run(f"open('{place}/more', 'w').write('x')")
    assert f"[Errno {errno.EROFS}]" in refused.error, refused
    assert kernel.run(f"print(open('{place}/small').read())").text.strip() == "before"
    assert not kernel.run("open('elsewhere', 'w').write('x')").error
    time.sleep(1)
    assert (place_of(filler) / "big").stat().st_size == grown
    reconcile()
    wait_for(lambda: any("quota" in note for note in filler.server().notes), 60, "nobody was told")
    assert "The Drive is full" in Notice.objects.get(user=filler.user, kind=Kind.LAB_WARNING).subject


def test_it_can_write_again_when_something_was_deleted_or_the_quota_grows(filler: Person, site: Site) -> None:
    place = PLACE.format(name=filler.user.username)
    fill(filler)
    wait_for(lambda: why(filler) == "quota", 30, "it can still write")
    library = Library.objects.get(owner_user=filler.user, is_default=True)
    site.kill("supervisor")  # the next one knows it too
    wait_for(site.answers, 30, "the site did not come back")
    wait_for(lambda: why(filler) == "quota", 30, "it can write")
    page = f"/drive/{library.pk}/"
    assert filler.submit(page, page, {"do": "delete", "name": "big"}).status_code in (200, 302)
    wait_for(lambda: not why(filler), 30, "it cannot write again")
    assert not filler.kernel().run(f"open('{place}/again', 'w').write('x')").error
    fill(filler)
    wait_for(lambda: why(filler) == "quota", 30, "it can still write")
    Quota.objects.filter(user=filler.user).update(max_bytes=2**40)
    follow_mounts(filler.server())
    wait_for(lambda: not why(filler), 90, "it cannot write again")
    assert not filler.kernel().run(f"open('{place}/more', 'w').write('x')").error


@contextmanager
def reserve(site: Site, size: int) -> Iterator[None]:
    """The site with such a reserve, as if the disk were so full: what others write on this one comes and goes."""
    site.end()
    site.environment["DISK_RESERVE_BYTES"] = str(size)
    try:
        site.start()
        yield
    finally:
        site.end()
        del site.environment["DISK_RESERVE_BYTES"]
        site.start()


SCRIPT = (
    "exec 3>small; while sleep 0.2; do [ -s ~/go ] && n=$(cat ~/go) && rm ~/go && head -c ${n}M /dev/zero >&3; done"
)
"""A process that has a file open and writes into it when it is told to."""


def hold(someone: Person) -> Path:
    """Begin one, and have it write; the file."""
    place = PLACE.format(name=someone.user.username)
    begin = (
        f"import subprocess\nchild = subprocess.Popen(['sh', '-c', {SCRIPT!r}], cwd={place!r}, start_new_session=True)"
    )
    assert not someone.kernel().run(f"{begin}\nopen('pid', 'w').write(str(child.pid))").error
    write(someone, 1)
    path = place_of(someone) / "small"
    wait_for(lambda: path.exists() and path.stat().st_size == MIB, 30, "it does not write")
    return path


def write(someone: Person, megabytes: int) -> None:
    assert not someone.kernel().run(f"open('go', 'w').write('{megabytes}')").error


def is_held(someone: Person) -> bool:
    """Whether the process lives: one that has ended has no files."""
    return (
        someone.kernel().run("import os; print(os.path.exists(f'/proc/{open(\"pid\").read()}/fd/3'))").text.strip()
        == "True"
    )


def test_when_the_reserve_is_gone_every_library_is_read_only_and_who_goes_on_is_stopped(
    filler: Person, site: Site
) -> None:
    place = PLACE.format(name=filler.user.username)
    path = hold(filler)
    with reserve(site, 10**15):
        wait_for(lambda: why(filler) == "disk", 30, "it can still write")
        time.sleep(3)
        assert is_held(filler)
        write(filler, 1)
        wait_for(lambda: path.stat().st_size == 2 * MIB, 30, "it was stopped, and did not grow")
        write(filler, 40)
        wait_for(lambda: not is_held(filler), 60, "it goes on")
        wait_for(lambda: "EROFS" in said(filler, f"open('{place}/more', 'w')"), 30, "it can still write")
    wait_for(lambda: not why(filler), 30, "it cannot write again")
    assert not said(filler, f"open('{place}/more', 'w').write('x')")


def test_who_fills_the_disk_in_one_call_stops_nobody_else(
    filler: Person, person: Callable[..., Person], site: Site
) -> None:
    """By gigabytes beyond the reserve, of which half is far away: what others write here does not matter."""
    Quota.objects.filter(user=filler.user).update(max_bytes=2**40)
    follow_mounts(filler.server())
    neighbour = person("neighbour")
    neighbour.launch()
    path = hold(neighbour)
    hold(filler)
    disk = os.statvfs(place_of(filler))
    with reserve(site, disk.f_bavail * disk.f_frsize - 2 * GIB):
        wait_for(lambda: why(filler) == why(neighbour) == "", 30, "the disk is full already")
        fallocate = f"['fallocate', '-l', '{4 * GIB}', '{PLACE.format(name=filler.user.username)}/big']"
        assert not filler.kernel().run(f"import subprocess; subprocess.run({fallocate}, check=True)").error
        wait_for(lambda: why(filler) == "disk", 30, "it can still write")
        wait_for(lambda: not is_held(filler), 60, "it goes on")
        assert why(neighbour) == ""
        before = path.stat().st_size
        assert is_held(neighbour)
        write(neighbour, 1)
        wait_for(lambda: path.stat().st_size == before + MIB, 30, "the neighbour was stopped")
    path.unlink()


def said(someone: Person, code: str) -> str:
    """The name of the error, if any."""
    attempt = f"import errno\ntry:\n    {code}\nexcept OSError as error:\n    print(errno.errorcode[error.errno])"
    return someone.kernel().run(attempt).text
