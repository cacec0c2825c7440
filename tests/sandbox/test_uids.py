"""Each Lab is a user of the kernel by itself: what the kernel keeps, counts or limits per user stays in that Lab."""

import array
import ctypes
import os
import resource
import select
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.storage import layout
from lab.launchers import get_launcher
from lab.supervisor import processes, uids

from ..support.people import Person
from ..support.site import Site, forked_only, wait_for

pytestmark = pytest.mark.sandbox

MANY_SECONDS = 300
LIBC = "import ctypes, errno, os; libc = ctypes.CDLL(None, use_errno=True)\n"


@pytest.fixture(autouse=True)
def prepared(site: Site) -> None:
    """Root has been here: it started bin/test."""
    if "uid" not in get_launcher().enforced_limits():
        pytest.skip("Labs have no uids of their own here: root has to start bin/test")


@pytest.fixture
def neighbour(lasting_neighbour: Person) -> Person:
    """The same in all tests: no attack takes anything from them."""
    return lasting_neighbour


def init_of(person: Person) -> int:
    """Process 1 of somebody's sandbox, as the machine numbers it."""
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [pid] = [one.pid for one in found if one.server == person.server().pk.hex and one.is_init]
    return pid


def uid_of(person: Person) -> int:
    """Uid on the machine of all processes of somebody's Lab, which is one."""
    [uid] = {processes.uid(pid) for pid in processes.inside(init_of(person))}
    return uid


def test_it_is_another_user_than_the_portal_and_other_labs(attacker: Person, neighbour: Person) -> None:
    attacker.kernel(), neighbour.kernel()
    ids = {uid_of(attacker), uid_of(neighbour), os.getuid(), 0}
    assert len(ids) == 4
    maps = {Path(f"/proc/{init_of(someone)}/uid_map").read_text() for someone in (attacker, neighbour)}
    assert len(maps) == 2
    for pid in processes.inside(init_of(attacker)):
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert str(os.getgid()) not in [*status["Gid"].split(), *status["Groups"].split()]


def test_what_it_writes_is_the_sites_on_disk_and_everybodys_in_labs(
    way: str, collab: Collab, owner: Person, editor: Person
) -> None:
    for someone in (owner, editor):
        someone.launch()
    place = f"os.path.expanduser('~/drive/Shared with groups/{collab.title}')"
    write = "os.mkdir('d', 0o700); open('d/a.txt', 'w').write('one'); os.chmod('d/a.txt', 0o600)"
    assert not owner.kernel().run(f"import os; os.chdir({place}); {write}").error
    change = "s = os.stat('d/a.txt'); open('d/a.txt', 'a').write(' two'); print(s.st_uid, s.st_gid)"
    assert editor.kernel().run(f"import os; os.chdir({place}); {change}").text.split() == ["1000", "1000"]
    [file] = layout.find(collab.library.pk).glob("d/a.txt")
    assert file.read_text() == "one two"
    for path in (file, file.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (os.getuid(), os.getgid())


def test_what_it_keeps_and_installs_is_the_sites_on_disk(hostile: Person) -> None:
    """Home and environment, of odd modes too: the site's account measures, rescues and deletes them as its own."""
    kernel = hostile.kernel()
    code = (
        "import os, sys; os.makedirs('a/b'); open('a/b/c', 'w').close(); os.chmod('a/b/c', 0o4755); os.chmod('a', 0)\n"
    )
    code += "path = sys.prefix + '/bin/pip'; os.rename(path, path + '.old'); open(sys.prefix + '/bin/new', 'w').close()"
    assert not kernel.run(code).error
    launcher, server = get_launcher(), hostile.server()
    for root in (launcher.home(server.pk), launcher.changes(server.pk)):
        owners = {path.stat(follow_symlinks=False).st_uid for path in root.rglob("*")}
        assert owners == {os.getuid()}
    hostile.leave()
    wait_for(lambda: not launcher.home(server.pk).exists(), 30, "its directory was not deleted")


def test_out_of_its_sandbox_it_could_enter_nothing(attacker: Person, neighbour: Person) -> None:
    """With its uid in the supervisor's own namespace, where the Drive, all homes and the portal's files have paths."""
    servers = uids.below(uids.PLACE, settings.LAB_ROOT / "servers")
    own, other = (servers / someone.server().pk.hex for someone in (attacker, neighbour))
    assert "home" in as_lab(attacker, "ls", str(own)).stdout
    for place in (settings.VAR_DIR, settings.DRIVE_ROOT, settings.LAB_ROOT, settings.RUN_DIR, other, other / "home"):
        denied = as_lab(attacker, "ls", str(place))
        assert not denied.stdout, place
        assert "Permission denied" in denied.stderr, (place, denied)
    denied = as_lab(attacker, "nsenter", f"--mount={uids.DOOR}", "ls", str(uids.PLACE))  # where all clones are
    assert denied.returncode
    assert not denied.stdout


def as_lab(person: Person, *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says in the Lab's namespace, with the uid of somebody's Lab."""
    pause = int((settings.LAB_ROOT / "namespace.pid").read_text())
    [_, line] = Path(f"/proc/{pause}/uid_map").read_text().splitlines()
    inside, outside, _ = map(int, line.split())
    uid = uid_of(person) - outside + inside
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    words = ["nsenter", f"--target={pause}", "--user", "--mount", *become, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")


def test_its_uid_sees_no_keys_of_another(attacker: Person, neighbour: Person) -> None:
    """Keyrings are found by uid. In a Lab the filter of system calls refuses keys; this is the wall behind it."""
    key = "import ctypes; number = ctypes.CDLL(None).syscall(248, b'user', b'secret-of-a-victim', b'x', 1, -4)"
    done = as_lab(neighbour, "/usr/bin/python3", "-c", f"{key}; print(number > 0, open('/proc/keys').read())")
    assert done.stdout.startswith("True"), done
    assert "secret-of-a-victim" in done.stdout
    assert "secret-of-a-victim" not in as_lab(attacker, "cat", "/proc/keys").stdout


@forked_only
def test_it_uses_up_only_its_own_inotify_instances(attacker: Person, neighbour: Person) -> None:
    take = LIBC + "taken = []\nwhile (fd := libc.inotify_init1(0)) >= 0: taken.append(fd)\nprint(len(taken))"
    assert 64 <= int(attacker.kernel().run(take).text) <= 128
    one = LIBC + "print(libc.inotify_init1(0) >= 0)"
    assert neighbour.kernel().run(one).text.strip() == "True"
    watching = ctypes.CDLL(None).inotify_init1(0)
    assert watching >= 0
    os.close(watching)


@forked_only
def test_it_uses_up_only_its_own_message_queues(hostile: Person, neighbour: Person) -> None:
    take = LIBC + "taken = []\ndef another(): return libc.mq_open(b'/q%d' % len(taken), 0o102, 0o600, None)\n"
    take += "while (fd := another()) >= 0: taken.append(fd)\nprint(len(taken))"
    count = int(hostile.kernel().run(take).text)
    assert 0 < count < 300
    assert int(neighbour.kernel().run(take).text) == count


IN_FLIGHT = """
import array, errno, os, socket
kept, number = [], 0
null = os.open("/dev/null", os.O_RDONLY)
try:
    while True:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        kept.append(pair)
        pair[0].setblocking(False)
        try:
            while True:
                pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 250))])
                number += 250
        except BlockingIOError:
            pass
except OSError as error:
    print(number, errno.errorcode[error.errno])
"""


def send_one_descriptor() -> bool:
    """As the portal's processes do."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other, Path(os.devnull).open() as null:
        one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()]))])
        return bool(other.recv(1))


@forked_only
def test_it_uses_up_only_its_own_descriptors_in_flight(attacker: Person, neighbour: Person) -> None:
    number, error = attacker.kernel().run(IN_FLIGHT).text.split()
    assert (int(number) > 1000, error) == (True, "ETOOMANYREFS")
    [soft, hard] = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))  # a count above it refuses us (unix(7))
    try:
        assert send_one_descriptor()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert int(neighbour.kernel().run(IN_FLIGHT).text.split()[0]) >= int(number) // 2


EPOLL = """
import errno, os, resource, select
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

def fill(say):
    fds = [os.eventfd(0)]
    fds += [os.dup(fds[0]) for _ in range(min(hard, 20000) // 2)]
    kept = []
    try:
        for _ in range(min(hard, 20000) // 3):
            kept.append(select.epoll())
            register = kept[-1].register
            for fd in fds:
                register(fd, 1)
        os.write(say, b"more")
    except OSError as error:
        os.write(say, errno.errorcode[error.errno].encode())
    import signal
    signal.pause()

said = "more"
while said == "more":
    read, write = os.pipe()
    if not os.fork():
        fill(write)
    said = os.read(read, 100).decode()
print(said)
"""


@forked_only
def test_it_uses_up_only_its_own_epoll_watches(hostile: Person, neighbour: Person) -> None:
    """All that the kernel gives one user; afterwards every process of the site would fail."""
    assert hostile.kernel().run(EPOLL, seconds=MANY_SECONDS).text.strip() == "ENOSPC"
    watch = "import os, select; select.epoll().register(os.eventfd(0), 1); print('watched')"
    assert neighbour.kernel().run(watch).text.strip() == "watched"
    with select.epoll() as watcher, socket.socket() as one:
        watcher.register(one.fileno(), select.EPOLLIN)
    assert hostile.get("/").status_code == 200


@forked_only
def test_it_keeps_its_uid_when_the_supervisor_is_killed(
    way: str, site: Site, collab: Collab, owner: Person, editor: Person, person: Callable[..., Person]
) -> None:
    """The successor withdraws and gives libraries, and gives nobody else the uid."""
    editor.launch()
    kernel, uid = editor.kernel(), uid_of(editor)
    site.kill("supervisor")
    wait_for(site.answers, 20, "the supervisor did not come back")
    path = f"Shared with groups/{collab.title}"
    collab_services.remove_member(owner.user, collab, editor.user)
    wait_for(lambda: editor.contents(path).status_code != 200, 30, "the library did not vanish")
    collab_services.add_member(owner.user, collab, editor.user, Role.EDITOR)
    wait_for(lambda: editor.contents(path).status_code == 200, 30, "the library did not come back")
    written = kernel.run(f"import os; open(os.path.expanduser('~/drive/{path}/x'), 'w').write('y')")
    assert not written.error
    another = person("another")
    another.launch()
    assert uid_of(editor) == uid != uid_of(another)
    editor.leave()
    assert not site.sandboxes() & {editor.server().pk.hex}
