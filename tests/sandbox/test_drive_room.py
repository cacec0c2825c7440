"""Bytes that a real Lab writes into the Drive: beyond a quota a library can only be read there until there is room."""

import errno
import time
from collections.abc import Callable, Iterator
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

MIB = 2**20
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


def test_a_reserve_that_is_reached_makes_every_library_read_only(filler: Person, site: Site) -> None:
    """As if the disk were so full: what others write on this one comes and goes."""
    kernel, place = filler.kernel(), PLACE.format(name=filler.user.username)
    assert not kernel.run(f"file = open('{place}/small', 'w'); file.write('before'); file.flush()").error
    site.end()
    site.environment["DISK_RESERVE_BYTES"] = str(10**15)
    try:
        site.start()
        wait_for(lambda: why(filler) == "disk", 30, "it can still write")
        wait_for(lambda: "EROFS" in said(filler, f"open('{place}/more', 'w')"), 30, "it can still write")
    finally:
        site.end()
        del site.environment["DISK_RESERVE_BYTES"]
        site.start()
    wait_for(lambda: not why(filler), 30, "it cannot write again")
    assert not said(filler, f"open('{place}/more', 'w').write('x')")


def said(someone: Person, code: str) -> str:
    """The name of the error, if any."""
    attempt = f"import errno\ntry:\n    {code}\nexcept OSError as error:\n    print(errno.errorcode[error.errno])"
    return someone.kernel().run(attempt).text
