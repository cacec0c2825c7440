"""A change of access holds in running Labs, within two seconds, without a restart."""

import functools

import pytest
from django.conf import settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import services as drive_services
from drive.models import Library, Permission
from groups import services as group_services
from lab.supervisor import processes
from portal.accounts.services import deactivate

from ..support.people import Kernel, Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

SOON = 2.0
"""Seconds within which a change holds (DESIGN: a second or two)."""


def place(collab: Collab) -> str:
    return f"Shared with groups/{collab.title}"


def sees(person: Person, path: str) -> bool:
    """Whether JupyterLab's file browser finds the folder."""
    return person.contents(path).status_code == 200


def test_it_shows_what_an_editor_saves_to_a_viewer_at_the_same_path(
    site: Site, collab: Collab, editor: Person, viewer: Person
) -> None:
    editor.launch()
    viewer.launch()
    path = f"/drive/{place(collab)}/result.txt"
    written = editor.kernel().run(f"import os; open(os.path.expanduser('~{path}'), 'w').write('42')")
    assert not written.error
    reader = viewer.kernel()
    assert "42" in reader.run(f"import os; print(open(os.path.expanduser('~{path}')).read())").text
    denied = reader.run(f"import os; open(os.path.expanduser('~{path}'), 'w')")
    assert "Read-only file system" in denied.error


def test_it_gives_and_takes_a_library_while_the_lab_runs(
    site: Site, collab: Collab, owner: Person, stranger: Person
) -> None:
    stranger.launch()
    assert not sees(stranger, place(collab))
    collab_services.add_member(owner.user, collab, stranger.user, Role.EDITOR)
    wait_for(lambda: sees(stranger, place(collab)), SOON, "the library did not appear")
    collab_services.remove_member(owner.user, collab, stranger.user)
    wait_for(lambda: not sees(stranger, place(collab)), SOON, "the library did not vanish")


def test_it_follows_groups_by_any_nesting_while_the_lab_runs(
    site: Site, collab: Collab, owner: Person, stranger: Person
) -> None:
    stranger.launch()
    institute = group_services.create_group(owner.user, name=f"Institute of {collab.title}")
    course = group_services.create_group(owner.user, name=f"Course of {collab.title}")
    group_services.nest(owner.user, institute, course)
    collab_services.give_group_role(owner.user, collab, institute, Role.EDITOR)
    assert not sees(stranger, place(collab))
    group_services.add_person(owner.user, course, stranger.user)
    wait_for(lambda: sees(stranger, place(collab)), SOON, "the library did not appear")
    group_services.unnest(owner.user, institute, course)
    wait_for(lambda: not sees(stranger, place(collab)), SOON, "the library did not vanish")
    group_services.nest(owner.user, institute, course)
    wait_for(lambda: sees(stranger, place(collab)), SOON, "the library did not come back")
    group_services.delete_group(owner.user, institute)
    wait_for(lambda: not sees(stranger, place(collab)), SOON, "the library did not vanish with the group")


def test_it_turns_read_only_where_a_kernel_is_working(
    site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    """The kernel stands in the library and goes on; what it tries to write fails; given back, it can write again."""
    editor.launch()
    kernel = editor.kernel(f"drive/{place(collab)}")
    assert not kernel.run("kept = 41; open('mine.txt', 'w').write('x')").error
    collab_services.change_role(owner.user, collab, editor.user, Role.VIEWER)
    wait_for(lambda: "Read-only" in kernel.run("open('mine.txt', 'w').close()").error, SOON, "it could still write")
    assert kernel.run("print(kept + 1)").text.strip() == "42"
    collab_services.change_role(owner.user, collab, editor.user, Role.EDITOR)
    absolute = f"open(os.path.expanduser('~/drive/{place(collab)}/mine.txt'), 'w').close()"
    wait_for(lambda: not kernel.run(f"import os; {absolute}").error, SOON, "it could not write again")


ATTACKS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
attributes = (ctypes.c_uint64 * 4)(0, 1, 0, 0)  # struct mount_attr: not MOUNT_ATTR_RDONLY
here = os.getcwd().encode()
print({
    libc.unshare(0x10000000 | 0x20000),  # CLONE_NEWUSER, CLONE_NEWNS
    libc.syscall(442, -100, here, 0, attributes, 32),  # mount_setattr
    libc.mount(None, here, None, ctypes.c_ulong(0x20 | 0x1000), None),  # MS_REMOUNT, MS_BIND
    libc.umount2(here, 2),
    libc.syscall(429, -100, here, -100, b"/tmp", 0),  # move_mount
    libc.syscall(428, -100, here, 1),  # open_tree
})
"""
"""What would make a mount writable, or lead around it, for somebody with a capability."""


def test_a_kernel_goes_on_where_it_stands_when_role_or_title_change(
    way: str, site: Site, collab: Collab, owner: Person, stranger: Person
) -> None:
    """Promoted, demoted, renamed: relative paths and os.getcwd() work in a kernel that was started as a viewer's.

    Once in a library that was there at the launch, once in one that came while the Lab ran.
    """
    early, late = collab, collab_services.create_collab(owner.user, title=f"Late {collab.title}")
    collab_services.add_member(owner.user, early, stranger.user, Role.VIEWER)
    assert site.is_forked(stranger.launch()) == (way == "fork")
    collab_services.add_member(owner.user, late, stranger.user, Role.VIEWER)
    wait_for(lambda: sees(stranger, place(late)), SOON, "the library did not appear")
    for one in (early, late):
        kernel = stranger.kernel(f"drive/{place(one)}")
        assert kernel.run(ATTACKS).text.strip() == "{-1}"
        assert "Read-only" in kernel.run("import os; open('mine.txt', 'w').write('x')").error

        def may_write(kernel: Kernel = kernel) -> bool:
            return not kernel.run("open('mine.txt', 'a').close()").error

        collab_services.change_role(owner.user, one, stranger.user, Role.EDITOR)
        wait_for(may_write, SOON, "it could not write")
        assert kernel.run("print(os.getcwd())").text.strip() == f"{home(stranger)}/drive/{place(one)}"
        collab_services.change_role(owner.user, one, stranger.user, Role.VIEWER)
        wait_for(lambda: not may_write(), SOON, "it could still write")
        assert kernel.run(ATTACKS).text.strip() == "{-1}"
        assert not may_write()
        old, title = place(one), f"New {one.title}"
        collab_services.update_collab(owner.user, one, title=title, description="", is_public=False)
        one.refresh_from_db()
        wait_for(functools.partial(sees, stranger, place(one)), SOON, "the library did not get its name")
        wait_for(lambda old=old: not sees(stranger, old), SOON, "the old name stays")  # type: ignore[misc]
        assert kernel.run("print(os.getcwd())").text.strip() == f"{home(stranger)}/drive/{place(one)}"
        assert not kernel.run("assert os.listdir('.') == ['mine.txt'] and open('mine.txt').read() == ''").error
        collab_services.change_role(owner.user, one, stranger.user, Role.EDITOR)
        wait_for(may_write, SOON, "it could not write again")
        assert not kernel.run("open('mine.txt', 'w').write('after all')").error
        assert stranger.contents(f"{place(one)}/mine.txt").json()["content"] == "after all"


def test_a_demotion_reaches_files_that_are_open_for_writing(
    site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    """The process that has one open is stopped, and its own writes end; others go on where they stand."""
    editor.launch()
    writing, standing = (editor.kernel(f"drive/{place(collab)}") for _ in range(2))
    pid = int(writing.run("import os; door = open('open.txt', 'w'); print(os.getpid())").text)
    assert pid in _pids(editor)
    assert not standing.run("import os; kept = 41").error
    collab_services.change_role(owner.user, collab, editor.user, Role.VIEWER)
    read_only = "open('other.txt', 'w').close()"
    wait_for(lambda: "Read-only" in standing.run(read_only).error, 2 * SOON, "it could still write")
    assert standing.run("print(kept + 1, 'open.txt' in os.listdir('.'))").text.strip() == "42 True"
    assert pid not in _pids(editor)


def home(person: Person) -> str:
    return f"/home/{person.user.username}"


def _pids(person: Person) -> set[int]:
    [init] = [
        process.pid
        for process in processes.sandboxes(settings.LAB_ROOT / "servers")
        if process.is_init and process.server == person.server().pk.hex
    ]
    return {processes.inner_pid(pid) for pid in processes.inside(init)}


def test_it_turns_read_only_when_the_collab_is_archived(
    site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    editor.launch()
    kernel = editor.kernel(f"drive/{place(collab)}")
    assert not kernel.run("kept = 41; open('mine.txt', 'w').write('x')").error
    collab_services.archive_collab(owner.user, collab)
    wait_for(lambda: "Read-only" in kernel.run("open('mine.txt', 'a').close()").error, SOON, "it could still write")
    assert kernel.run("print(kept + 1, open('mine.txt').read())").text.strip() == "42 x"
    collab_services.unarchive_collab(owner.user, collab)
    absolute = f"open(os.path.expanduser('~/drive/{place(collab)}/mine.txt'), 'w').close()"
    wait_for(lambda: not kernel.run(f"import os; {absolute}").error, SOON, "it could not write again")


def test_it_stops_a_kernel_that_stands_in_a_library_taken_away(
    site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    """An open directory is a door; the kernel that holds it open is stopped, the server and other kernels go on."""
    server = editor.launch()
    holding, other = editor.kernel(f"drive/{place(collab)}"), editor.kernel()
    holding.run("import os; door = os.open('.', os.O_RDONLY)")
    collab_services.remove_member(owner.user, collab, editor.user)
    wait_for(lambda: not sees(editor, place(collab)), SOON, "the library did not vanish")
    assert other.run("print(6 * 7)").text.strip() == "42"
    assert editor.server().pk == server.pk
    assert not other.run("import os; os.listdir(os.path.expanduser('~/drive'))").error


def test_it_stops_a_server_that_hides_a_descriptor(site: Site, collab: Collab, owner: Person, editor: Person) -> None:
    """A descriptor on its way through a socket is in no process; the kernel still says busy, and the server ends."""
    editor.launch()
    kernel = editor.kernel()
    path = f"/drive/{place(collab)}"
    hidden = kernel.run(
        "import os, socket; a, b = socket.socketpair(); "
        f"fd = os.open(os.path.expanduser('~{path}'), os.O_RDONLY); socket.send_fds(a, [b'x'], [fd]); os.close(fd)"
    )
    assert not hidden.error
    collab_services.remove_member(owner.user, collab, editor.user)
    wait_for(lambda: editor.server().pk.hex not in site.sandboxes(), 5 * SOON, "the sandbox lives on")


def test_it_takes_back_a_public_library(site: Site, owner: Person, stranger: Person) -> None:
    """Made private, it is gone from everybody's `Shared with all`, and from processes that stand in it."""
    collab = collab_services.create_collab(owner.user, title=f"Open {owner.user.username}", is_public=True)
    stranger.launch()
    path = f"Shared with all/{collab.title}"
    wait_for(lambda: sees(stranger, path), SOON, "the public library did not appear")
    kernel = stranger.kernel()
    held = kernel.run(f"import os; door = os.open(os.path.expanduser('~/drive/{path}'), os.O_RDONLY)")
    assert not held.error
    collab_services.update_collab(
        owner.user, collab, title=collab.title, description=collab.description, is_public=False
    )
    wait_for(lambda: not sees(stranger, path), SOON, "the library did not vanish")
    library = Library.objects.get(owner_collab=collab)
    wait_for(lambda: not _stands_in(stranger, library), SOON, "the process that stood in it lives on")
    listing = stranger.kernel().run(
        f"import os; print(os.path.exists(os.path.expanduser('~/drive/Shared with all/.libraries/{library.pk}')))"
    )
    assert listing.text.strip() == "False"


def _stands_in(person: Person, library: Library) -> bool:
    """Whether a process of the person's sandbox has the library open."""
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [process.pid for process in found if process.is_init and process.server == person.server().pk.hex]
    return bool(processes.holders(init, "", str(library.pk)))


def test_it_follows_shares_between_people(site: Site, owner: Person, stranger: Person) -> None:
    library = drive_services.create_library(owner.user, "Notes")
    stranger.launch()
    share = drive_services.share_with_person(owner.user, library, stranger.user, Permission.READ)
    library.refresh_from_db()
    path = f"Shared with me/{library.shared_name}"
    wait_for(lambda: sees(stranger, path), SOON, "the share did not appear")
    drive_services.unshare(owner.user, share)
    wait_for(lambda: not sees(stranger, path), SOON, "the share did not vanish")


def test_it_stops_the_lab_of_a_deactivated_person(site: Site, owner: Person) -> None:
    owner.launch()
    server = owner.server().pk.hex
    deactivate(None, owner.user)
    wait_for(lambda: server not in site.sandboxes(), SOON, "the sandbox lives on")
    wait_for(lambda: owner.lab("GET", "/api/status").status_code in (401, 403, 503), 3, "the Lab still answers")
