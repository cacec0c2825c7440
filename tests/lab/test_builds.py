"""Environments that are really built: in a sandbox, from the index, and without the portal's secrets."""

import contextlib
import os
import pty
import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django import Settings

from lab.environments import build_sandbox, builds, selection
from lab.models import Build, BuildState, Environment
from portal.sandboxing import firewall

from ..support.people import Person
from ..support.site import Site, forget, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture
def environment(site: Site) -> Iterator[Environment]:
    made = Environment.objects.create(slug="small", name="Small", packages="iniconfig\n")
    yield made
    forget(made)


@pytest.fixture
def build(environment: Environment, owner: Person, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Asked for, and run here and now; without what a Lab needs, which takes a minute to fetch."""
    monkeypatch.setattr(builds, "NEEDED", ())
    monkeypatch.setattr(builds, "enqueue", lambda *_: None)
    return builds.request_build(owner.user, environment)


def test_it_builds_switches_and_tells(build: Build, environment: Environment) -> None:
    builds.run(build.pk)
    build.refresh_from_db()
    environment.refresh_from_db()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    assert environment.prefix == build.prefix
    assert "Successfully installed iniconfig" in builds.log_tail(build)
    assert list(Path(build.prefix).glob("lib/python3*/site-packages/iniconfig"))


def test_it_shows_packages_nothing_of_the_portal(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a package's own build script could do."""
    files = [settings.VAR_DIR / name for name in ("portal.sqlite3", "site.log", "lab/servers")]
    places = [*files, settings.RUN_DIR, settings.DRIVE_ROOT, settings.BASE_DIR / "portal"]
    attack = "".join(f"ls {place} && echo FOUND\n" for place in places)
    attack += "env; ls /proc; cat /proc/*/environ | tr '\\0' '\\n'\ntouch /usr/x && echo FOUND\nfalse\n"
    monkeypatch.setattr(builds, "_SCRIPT", attack)
    monkeypatch.setenv("SECRET_KEY", "the-key-of-the-site")
    builds.run(build.pk)
    said = builds.log_tail(build)
    assert "PATH=" in said
    assert "FOUND" not in said
    assert "the-key-of-the-site" not in said
    assert str(settings.RUN_DIR / "redis.sock") not in said


def test_it_lets_packages_make_no_user_namespace(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one of its own a process would have all capabilities, and far more of the kernel to attack."""
    monkeypatch.setattr(builds, "_SCRIPT", "unshare --user --map-root-user true 2>&1 && echo FOUND\nfalse\n")
    builds.run(build.pk)
    said = builds.log_tail(build)
    assert "unshare failed" in said
    assert "FOUND" not in said


TYPE = """
import fcntl, os, termios
for place in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1"):
    try:
        fcntl.ioctl(os.open(place, os.O_RDWR), termios.TIOCSTI, b"x")
        print(place, "FOUND")
    except OSError as error:
        print(place, error.strerror)
try:
    os.open("/dev/tty", os.O_RDWR)
    print("FOUND a terminal")
except OSError as error:
    print("refused")
"""


def test_it_lets_packages_type_into_no_terminal(tmp_path: Path) -> None:
    """Where a worker was started by hand: what is typed into a terminal (TIOCSTI) its shell would do, outside."""
    child, terminal = pty.fork()
    if not child:
        with build_sandbox.sandbox("") as sandbox:
            words = build_sandbox.words(sandbox, tmp_path, f"exec \"$1\" -c '{TYPE}'", [build_sandbox.python()])
            os._exit(build_sandbox.start(sandbox, words).wait())
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(terminal, 4096):
            said += data
    os.close(terminal)
    os.waitpid(child, 0)
    assert b"refused" in said
    assert b"FOUND" not in said


REACH = """
import socket, sys
port, *addresses = sys.argv[1:]
for address in addresses:
    for device in (b"", b"tap0"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as one:
                one.settimeout(2)
                try:
                    if device:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
                    one.connect((address, int(port)))
                    one.send(b"attack")
                    print("sent", address, device, kind)
                except OSError as error:
                    print(error, address, device, kind)
with socket.socket(socket.AF_UNIX) as one:
    print("unix", one.connect_ex(chr(0) + "listening-" + port))
print("tried")
"""


def reached(tmp_path: Path) -> tuple[str, set[str]]:
    """What code in a build says that tries services of this machine, and which of those heard of it."""
    with socket.create_server(("0.0.0.0", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("0.0.0.0", port))
        with socket.socket(socket.AF_UNIX) as unix, build_sandbox.sandbox("") as sandbox:
            unix.bind(f"\0listening-{port}")
            unix.listen()
            addresses = ["127.0.0.1", "127.1.2.3", "10.0.2.2", "0.0.0.0", *map(str, _own_addresses())]
            arguments = [build_sandbox.python(), REACH, str(port), *addresses]
            words = build_sandbox.words(sandbox, tmp_path, 'python="$1"; shift; exec "$python" -c "$@"', arguments)
            process = build_sandbox.start(sandbox, words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            said = process.communicate(timeout=120)[0]
            heard = {name for name, one in {"tcp": tcp, "udp": udp, "unix": unix}.items() if _is_asked(one)}
    assert "tried" in said, said
    return said, heard


def _is_asked(one: socket.socket) -> bool:
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(one, select.POLLIN)
    return bool(poll.poll(0))


def _own_addresses() -> list[str]:
    return [str(network.network_address) for network in firewall.own_networks() if network.prefixlen == 32]


def test_it_lets_packages_reach_no_service_of_the_machine(tmp_path: Path) -> None:
    """On loopback, on its other addresses, past the routes by the device, or by a name in its network namespace."""
    said, heard = reached(tmp_path)
    assert heard == set(), said


def test_it_can_share_the_network_of_the_machine(tmp_path: Path, settings: Settings) -> None:
    """Where the operator says so; here it shows that the attack above finds what is there."""
    settings.LAB_BUILD_NETWORK = "host"
    assert reached(tmp_path)[1] == {"tcp", "udp", "unix"}


def test_it_ends_with_the_worker(tmp_path: Path) -> None:
    """However that ends: nothing of a build goes on by itself."""
    with build_sandbox.sandbox("") as sandbox:
        script = 'touch "$1/begun"; while :; do date > "$1/alive"; sleep 0.1; done'
        words = build_sandbox.words(sandbox, tmp_path, script, [str(tmp_path)])
        build = build_sandbox.start(sandbox, words)
    wait_for((tmp_path / "alive").exists, 30, "the build did not begin")
    below = _below(build.pid)
    assert len(below) >= 3, "bubblewrap twice, and slirp4netns"
    build.kill()
    build.wait()
    wait_for(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], 20, "something is left of the build")


def _below(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for child in children for one in (child, *_below(child))]


def test_a_lab_runs_in_what_the_task_has_built(
    site: Site, environment: Environment, person: Callable[..., Person]
) -> None:
    """With all that a Lab needs, from the index, by the site's own worker."""
    ada = person("ada")
    build = builds.request_build(ada.user, environment)
    wait_for(lambda: not Build.objects.get(pk=build.pk).is_live, 600, "it was not built")
    build.refresh_from_db()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    selection.remember(ada.user, environment)
    ada.launch()
    said = ada.kernel().run("import iniconfig, sys; print(sys.prefix)")
    assert (said.error, said.text.strip()) == ("", build.prefix)
    assert f"{build.prefix}/lib" in ada.kernel().run("%pip --version").text
