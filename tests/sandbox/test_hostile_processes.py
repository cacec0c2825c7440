"""Hostile processes in real sandboxes: what /proc shows of them is theirs to choose, and misleads nobody outside."""

from collections.abc import Callable, Iterator

import pytest

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.folders import Folder
from lab.launchers import get_launcher
from lab.models import Environment, State
from lab.servers.reconciler import reconcile

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

UNREADABLE = """
import ctypes, os
ctypes.CDLL(None).prctl(15, b"\\xff\\xfe (x) \\xff", 0, 0, 0)
"""
"""A name that is no text: PR_SET_NAME takes any bytes."""
RENAME_FIRST = """
import ctypes, re
words = open("/proc/1/cmdline", "rb").read()
old = re.search(rb"[^\\0]*/servers/[0-9a-f]{{32}}/home\\0[^\\0]*", words)[0]
new = {new}
start, end = (int(word) for word in open("/proc/1/stat").read().rpartition(")")[2].split()[45:47])
with open("/proc/1/mem", "r+b", buffering=0) as memory:
    memory.seek(start)
    content = memory.read(end - start)
    memory.seek(start)
    memory.write(content.replace(old, new[:len(old)]))
print(open("/proc/1/cmdline", "rb").read() != words)
"""
"""Process 1 of the sandbox is bubblewrap, run by the same user as we; its memory holds its command line."""


@pytest.fixture(autouse=True)
def small_disks(site: Site) -> Iterator[None]:
    """Labs have 300 MiB of disk."""
    environments = Environment.objects.all()
    environments.update(disk_mib=300)
    yield
    environments.update(disk_mib=None)


def test_a_name_that_is_no_text_hides_no_process(hostile: Person, owner: Person, collab: Collab) -> None:
    collab_services.add_member(owner.user, collab, hostile.user, Role.EDITOR)
    place = f"drive/{Folder.GROUPS}/{collab.title}"
    kernel = hostile.kernel()
    wait_for(lambda: hostile.contents(f"{Folder.GROUPS}/{collab.title}").ok, 30, "the library did not appear")
    kernel.run(f"{UNREADABLE}\nos.chdir(os.path.expanduser('~/{place}'))\nheld = open('held', 'w')")
    assert hostile.server().pk in get_launcher().inspect()
    reconcile()
    assert hostile.server().state == State.RUNNING
    collab_services.remove_member(owner.user, collab, hostile.user)
    wait_for(lambda: not hostile.contents(f"{Folder.GROUPS}/{collab.title}").ok, 30, "the library stayed")
    wait_for(lambda: any("was stopped" in note for note in hostile.server().notes), 30, "nobody was told")


def test_a_name_that_is_no_text_fills_no_disk(hostile: Person) -> None:
    home = f"/home/{hostile.user.username}"
    fill = f"{UNREADABLE}\nfile = open('{home}/big', 'wb')\nwhile True:\n    file.write(bytes(2**20)), file.flush()"
    hostile.kernel().begin(fill)
    wait_for(lambda: get_launcher().inspect()[hostile.server().pk].disk_kills, 60, "nobody was ended")


def test_a_command_line_that_names_another_lab_takes_nothing_over(
    hostile: Person, person: Callable[..., Person], site: Site
) -> None:
    victim = person("victim")
    victim.launch()
    other = victim.server().pk.hex.encode()
    changed = hostile.kernel().run(
        RENAME_FIRST.format(new=f"re.sub(rb'[0-9a-f]{{32}}/home', {other!r} + b'/home', old)")
    )
    assert changed.text.strip() == "True", changed
    site.kill("supervisor")
    wait_for(site.answers, 30, "the site did not come back")
    for someone in (hostile, victim):
        assert get_launcher().inspect()[someone.server().pk].state == "running"
    hostile.leave()
    assert get_launcher().inspect()[victim.server().pk].state == "running"
    assert victim.lab("GET", "/api/status").ok
    victim.leave()
    assert victim.server().pk.hex not in site.sandboxes()


def test_a_command_line_without_sense_keeps_no_supervisor_from_starting(hostile: Person, site: Site) -> None:
    changed = hostile.kernel().run(RENAME_FIRST.format(new="old.replace(b'/home', b'/x/home', 1)"))
    assert changed.text.strip() == "True", changed
    site.kill("supervisor")
    wait_for(site.answers, 30, "the site did not come back")
    assert get_launcher().inspect()[hostile.server().pk].state == "running"
    hostile.leave()
