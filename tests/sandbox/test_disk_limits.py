"""Disk in real sandboxes: who fills it is ended and told, and can tidy up; whoever tries to hide it as well."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from drive.models import Library, Quota
from drive.storage import layout
from lab.launchers import ServerStatus, get_launcher
from lab.models import Environment, State, StopReason
from lab.servers.lifecycle import follow_mounts
from lab.servers.reconciler import reconcile
from lab.servers.services import stop_server
from notices.models import Kind, Notice

from ..support.people import Person
from ..support.site import Site, forked_only, wait_for

pytestmark = pytest.mark.sandbox

MIB = 2**20
LIMIT = 300
"""Of the sandboxes below, in MiB."""
FILES = 6000
"""Of the sandboxes below."""
FILL = """
file = open("{home}/big", "wb")
while True:
    file.seek(0)
    for _ in range(600):
        file.write(bytes(2**20)), file.flush()
"""
"""Twice the limit, written ever again: whoever has stopped writing before the supervisor looks is not ended."""
DELETED = """
import os
file = open("{home}/gone", "wb+")
os.unlink(file.name)
while True:
    file.write(bytes(8 * 2**20)), file.flush()
"""
MAPPED = """
import mmap, os, time
file = open("{home}/gone", "wb+")
file.truncate(900 * 2**20)
mapped = mmap.mmap(file.fileno(), 0)
os.unlink(file.name), file.close()
for at in range(0, len(mapped), 2**20):
    mapped[at : at + 2**20] = b"x" * 2**20
    time.sleep(0.1 * (at > 300 * 2**20))
"""
"""Slowly once it is too much, for a minute: what is written into a page twice counts once, so it cannot begin again."""
FORBIDDEN = """
import os
os.mkdir("{home}/closed")
file = open("{home}/closed/big", "wb")
os.chmod("{home}/closed", 0)
while True:
    file.write(bytes(8 * 2**20)), file.flush()
"""
INSTALLED = """
import sys
file = open(sys.prefix + "/lib/big", "wb")
while True:
    file.write(bytes(8 * 2**20)), file.flush()
"""
MANY = """
import itertools, os
for n in itertools.count():
    os.system(f"head -c 3000000 /dev/zero > {home}/{{n}}")
"""
EMPTY = """
import itertools, time
for n in itertools.count():
    open(f"{home}/{{n}}", "x").close()
    time.sleep(0.001 * (n > 10_000))
"""
"""Slowly once it is too much: where nobody looks for some seconds it would have far too many, and the Lab would end."""
DIRECTORIES = """
import itertools, os
for n in itertools.count():
    os.mkdir(f"{home}/{{n}}")
"""
LINKS = """
import itertools, os, sys
for n in itertools.count():
    os.symlink("nowhere", f"{{sys.prefix}}/{{n}}")
"""
NAMELESS = """
import os
for _ in range(2):
    os.fork()
held = []
while True:
    try:
        held.append(os.open("{home}", os.O_TMPFILE | os.O_RDWR))
    except OSError:
        os.close(held.pop(0))
"""
"""By four, as one may hold no more than 8,192: where somebody else removes as many at that time, nobody misses them."""
IN_DRIVE = """
import itertools, os
os.chdir("{home}/drive/My Libraries/My Library")
for n in itertools.count():
    if n % 1000 == 0:
        os.mkdir(f"{{n}}")
    os.mkdir(f"{{n // 1000 * 1000}}/{{n}}")
    for _ in range(20 * (n > 25_000)):
        os.stat(".")
"""
"""More than the supervisor overlooks, then slowly on, as busy as before: to remove them takes far longer."""
EVER_MORE = """
import itertools, os

def make():
    place = f"{home}/{{os.getpid()}}"
    os.makedirs(place, exist_ok=True)  # in one directory they would wait for each other
    for n in itertools.count():
        os.close(os.open(f"{{place}}/{{n}}", os.O_CREAT | os.O_WRONLY))

for number in itertools.count():
    if number >= 32:
        os.wait()
    if not os.fork():
        make()
"""
"""By 32 at a time, another for each that is ended: on a slow machine all of them were ended before they made enough."""
RESERVED = """
import os
os.posix_fallocate(os.open("{home}/big", os.O_CREAT | os.O_RDWR), 0, 4 * 2**30)
"""


@pytest.fixture
def limited(way: str, person: Callable[..., Person]) -> Iterator[Person]:
    """Somebody in a Lab of 300 MiB of disk and 6,000 files."""
    environments = Environment.objects.all()
    environments.update(disk_mib=LIMIT, file_limit=FILES)
    someone = person("hoarder")
    try:
        someone.launch()
        yield someone
    finally:
        environments.update(disk_mib=None, file_limit=None)
        empty(library_of(someone))


def library_of(someone: Person) -> Path:
    """Their own library."""
    return layout.find(Library.objects.get(owner_user=someone.user, is_default=True).pk)


def empty(place: Path) -> None:
    """Remove what a test has made in the Drive: it would be in every backup of the tests that come later."""
    for path in place.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def status(someone: Person) -> ServerStatus:
    """What the supervisor sees of it."""
    return get_launcher().inspect()[someone.server().pk]


def ended(someone: Person, times: int = 0) -> bool:
    """Whether more than so many processes of it were ended for want of disk."""
    return status(someone).disk_kills > times


def has_too_many_files(someone: Person) -> bool:
    """Whether a process of it was ended for the number of its files."""
    return status(someone).file_kills > 0


def is_told(someone: Person, what: str) -> bool:
    """Whether a note on the Lab's page says so; reconciles first."""
    reconcile()  # or another process does, at this moment
    return any(what in note for note in someone.server().notes)


def fill(someone: Person, how: str) -> None:
    """Begin one of the above in a notebook."""
    someone.kernel().begin(how.format(home=f"/home/{someone.user.username}"))


def test_it_ends_who_fills_the_disk_and_says_so(limited: Person, person: Callable[..., Person]) -> None:
    neighbour = person("neighbour")
    neighbour.launch()
    beside = neighbour.kernel()
    fill(limited, FILL)
    wait_for(lambda: ended(limited), 60, "nobody was ended")
    assert limited.lab("GET", "/api/status").status_code == 200  # Jupyter itself goes on
    assert beside.run("print(6 * 7)").text.strip() == "42"
    reconcile()  # or the site's own has asked for it, and is about to write it down
    wait_for(lambda: any("disk is full" in note for note in limited.server().notes), 60, "nobody was told")
    assert limited.server().state == State.RUNNING
    assert Notice.objects.get(user=limited.user, kind=Kind.LAB_WARNING).subject == "Your Lab's disk is full at 300 MiB"
    assert "disk is full" in limited.get("/lab/").text


@forked_only
def test_it_lets_its_person_tidy_up_and_go_on(limited: Person) -> None:
    fill(limited, FILL)
    wait_for(lambda: ended(limited), 60, "nobody was ended")
    home, kernel, before = f"/home/{limited.user.username}", limited.kernel(), status(limited).disk_kills
    assert not kernel.run(f"open('{home}/small.md', 'w').write('# still possible')").error
    assert not kernel.run(f"import os; os.unlink('{home}/big')").error
    often = f"for _ in range(5): open('{home}/part', 'wb').write(bytes(100 * 2**20))\nprint('done')"
    assert kernel.run(often).text.strip() == "done"
    large = f"open('{home}/drive/My Libraries/My Library/big', 'wb').write(bytes(400 * 2**20)); print('done')"
    assert kernel.run(large).text.strip() == "done"  # the Drive does not count
    assert status(limited).disk_kills == before
    (library_of(limited) / "big").unlink()  # no version of it is kept
    stop_server(None, limited.server(), StopReason.OPERATOR)
    wait_for(lambda: limited.server().state == State.STOPPED, 60, "it did not stop")
    [rescued] = library_of(limited).rglob("small.md")
    assert rescued.read_text() == "# still possible"


@forked_only
@pytest.mark.parametrize(
    "how",
    [DELETED, MAPPED, FORBIDDEN, INSTALLED, MANY],
    ids=["deleted", "mapped", "forbidden", "installed", "many"],
)
def test_it_finds_what_is_hidden(limited: Person, how: str) -> None:
    fill(limited, how)
    wait_for(lambda: ended(limited), 60, "it was not found")


@forked_only
def test_it_ends_a_lab_that_takes_far_too_much_at_once(limited: Person) -> None:
    before = limited.server()
    fill(limited, RESERVED)
    wait_for(lambda: limited.server().state in (State.STOPPED, State.FAILED), 90, "it goes on")
    assert "more disk than 300 MiB" in limited.server().error
    assert not (settings.LAB_ROOT / "servers" / before.pk.hex).exists()


@forked_only
def test_a_supervisor_that_takes_over_keeps_the_limit(limited: Person, site: Site) -> None:
    site.kill("supervisor")
    wait_for(site.answers, 30, "the site did not come back")
    fill(limited, FILL)
    wait_for(lambda: ended(limited), 60, "nobody was ended")


def test_it_ends_who_makes_files_without_end_and_says_so(limited: Person, person: Callable[..., Person]) -> None:
    neighbour = person("neighbour")
    neighbour.launch()
    computing = neighbour.kernel()
    fill(limited, EMPTY)
    wait_for(lambda: has_too_many_files(limited), 60, "nobody was ended")
    assert limited.lab("GET", "/api/status").ok  # Jupyter itself goes on
    assert computing.run("print(6 * 7)").text.strip() == "42"
    wait_for(lambda: is_told(limited, "too many files"), 60, "nobody was told")
    assert limited.server().state == State.RUNNING
    assert "more than 6,000" in Notice.objects.get(user=limited.user, kind=Kind.LAB_WARNING).subject
    assert status(limited).files > FILES
    home, kernel = f"/home/{limited.user.username}", limited.kernel()
    assert not kernel.run(f"open('{home}/small.md', 'w').write('# still possible')").error
    tidied = kernel.run(
        f"import os; [os.unlink(one.path) for one in os.scandir('{home}') if one.name.isdigit()]; print(1)", seconds=300
    )
    assert tidied.text.strip() == "1"
    wait_for(lambda: status(limited).files < FILES, 60, "it was not counted again")
    assert limited.server().state == State.RUNNING


@forked_only
@pytest.mark.parametrize("how", [DIRECTORIES, LINKS, NAMELESS], ids=["directories", "links", "nameless"])
def test_it_counts_whatever_takes_an_inode(limited: Person, how: str) -> None:
    fill(limited, how)
    wait_for(lambda: has_too_many_files(limited), 180, "nobody was ended")


@forked_only
def test_it_ends_a_lab_that_makes_far_too_many_files(limited: Person) -> None:
    fill(limited, EVER_MORE)
    wait_for(lambda: limited.server().state != State.RUNNING, 240, "it goes on")
    assert "many more files than 6,000" in limited.server().error


@forked_only
def test_it_ends_who_fills_the_drive_with_files_between_two_scans(limited: Person) -> None:
    """Folders, which no quota counts on the web. The file system must miss a number of files before anybody counts."""
    Quota.objects.create(user=limited.user, max_files=3000)
    follow_mounts(limited.server())
    kernel = limited.kernel()
    kernel.begin(IN_DRIVE.format(home=f"/home/{limited.user.username}"))
    wait_for(lambda: status(limited).drive_file_kills > 0, 120, "nobody was ended")
    assert status(limited).file_kills == 0
    wait_for(lambda: is_told(limited, "more than twice as many files"), 60, "nobody was told")
    assert limited.lab("GET", "/api/status").ok
