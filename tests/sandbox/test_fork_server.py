"""Servers that are forked from a process that has imported Jupyter: nothing of it or of others is in them."""

import ast
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lab.launchers import get_launcher
from lab.models import State, StopReason
from lab.servers.services import request_server, stop_server

from ..support.jupyter_process import DESCRIPTORS, JUPYTER, SEARCH, hidden
from ..support.people import Kernel, Person
from ..support.site import Site, base_environment, launched_by, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture(autouse=True)
def by_fork(site: Site) -> Iterator[None]:
    with launched_by(site, "fork"):
        yield


def kernel_of(someone: Person) -> Kernel:
    kernel = someone.kernel()
    assert not kernel.run(JUPYTER).error
    return kernel


def search(kernel: Kernel, words: list[str]) -> list[str]:
    """Which of the words are in the memory of the kernel's server."""
    result = kernel.run(SEARCH.format(hidden=hidden(words)))
    assert not result.error, result.traceback
    found, looked = json.loads(result.text)
    assert looked > 10_000_000
    return [words[i % len(words)] for i in found]


def test_it_has_nothing_of_an_earlier_person_in_memory(site: Site, person: Callable[..., Person]) -> None:
    victim = person("victim")
    victim.user.first_name, victim.user.last_name = "Quintessa", "Zyzzyva"
    victim.user.save()
    server = victim.launch()
    victim.kernel().run("treasure = 'a-very-secret-value-of-the-victim'")
    mallory = person("mallory")
    assert site.is_forked(server)
    assert site.is_forked(mallory.launch())
    kernel = kernel_of(mallory)
    words = [victim.user.username, victim.user.email, server.token, server.pk.hex, "Quintessa", "a-very-secret-value"]
    assert search(kernel, words) == []
    assert search(kernel, [mallory.user.username]) == [mallory.user.username], "the search finds what is there"


def test_it_has_nothing_of_the_portal_in_memory(site: Site, owner: Person) -> None:
    owner.launch()
    words = [settings.SECRET_KEY, str(settings.VAR_DIR), str(settings.RUN_DIR)]
    words += ["redis.sock", "portal.sqlite3", "SECRET_KEY", "DATABASE_URL"]
    assert search(kernel_of(owner), words) == []


def test_it_has_no_rights(site: Site, owner: Person) -> None:
    """The server itself, not only what it starts."""
    owner.launch()
    kernel = kernel_of(owner)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert kernel.run(f"print(status(jupyter, {key!r}))").text.strip() == "['0000000000000000']", key
    assert kernel.run("print(status(jupyter, 'NoNewPrivs'))").text.strip() == "['1']"
    assert kernel.run("print(status(jupyter, 'Uid'))").text.strip() == "['1000', '1000', '1000', '1000']"
    same = """
for name in os.listdir("/proc/self/ns"):
    if os.readlink(f"/proc/{jupyter}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"):
        print(name)
"""
    assert kernel.run(same).text == ""


def test_it_is_in_no_namespace_of_the_fork_server(site: Site, owner: Person) -> None:
    server = owner.launch()
    kernel = kernel_of(owner)
    names = "print(json.dumps({n: os.readlink(f'/proc/{jupyter}/ns/{n}') for n in os.listdir('/proc/self/ns')}))"
    inside = json.loads(kernel.run(f"import json; {names}").text)
    fork_server = site.fork_server()
    assert site.is_forked(server)
    for name in ("user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup"):
        assert inside[name] != os.readlink(f"/proc/{fork_server}/ns/{name}"), name
        assert inside[name] != os.readlink(f"/proc/self/ns/{name}"), name


def test_it_has_the_descriptors_of_a_server_and_no_other(site: Site, person: Callable[..., Person]) -> None:
    """The kinds that one has which was started from nothing: no namespace, nobody's settings."""
    kinds = {}
    for way in ("exec", "fork"):
        with launched_by(site, way):
            someone = person(way)
            someone.launch()
            code = "import re; print({re.sub('[0-9a-f]{32}|[0-9]+', 'N', link) for link in links(jupyter)})"
            kinds[way] = ast.literal_eval(kernel_of(someone).run(DESCRIPTORS + code).text)
    assert kinds["fork"] - {"anon_inode:[pidfd]"} == kinds["exec"], "but for those of its forked kernels"
    assert not [kind for kind in kinds["fork"] if "memfd" in kind or kind.startswith(("mnt:", "user:", "net:"))]


def test_it_passes_no_descriptor_on(owner: Person) -> None:
    """What holds the sandbox and its network ends with the server, so no kernel may have it."""
    owner.launch()
    code = "print([link for link in links(pids('cat')[0]) & links(os.getpid()) if link.startswith('pipe:')])"
    assert kernel_of(owner).run(DESCRIPTORS + code).text.strip() == "[]"


def test_it_shows_nobodys_environment(owner: Person) -> None:
    """Not the fork server's, which is where /proc says the variables are; and none of the portal's."""
    owner.launch()
    kernel = kernel_of(owner)
    names = kernel.run(
        "print(sorted(l.split('=')[0] for l in open(f'/proc/{jupyter}/environ').read().split('\\0') if l))"
    )
    assert not names.error
    assert set(ast.literal_eval(names.text)) <= {"PATH", "LANG", "HOME", "JUPYTER_CONFIG_PATH", "PWD"}
    home = kernel.run("print(os.environ['HOME'], os.environ['GIT_AUTHOR_EMAIL'])").text.strip()
    assert home == f"/home/{owner.user.username} {owner.user.email}"


def test_it_leaves_no_way_to_the_files_of_the_fork_server(owner: Person) -> None:
    """The program's file is known by a mount outside the sandbox: a read-only one. Root and directory are inside."""
    owner.launch()
    kernel = kernel_of(owner)
    assert kernel.run("print(bool(os.statvfs(f'/proc/{jupyter}/exe').f_flag & os.ST_RDONLY))").text.strip() == "True"
    assert "Read-only file system" in kernel.run("open(f'/proc/{jupyter}/exe', 'r+b')").error or "PermissionError" in (
        kernel.run("open(f'/proc/{jupyter}/exe', 'r+b')").error
    )
    assert kernel.run("print(os.path.samefile(f'/proc/{jupyter}/root', '/'))").text.strip() == "True"
    assert kernel.run("print(os.readlink(f'/proc/{jupyter}/cwd'))").text.strip() == f"/home/{owner.user.username}"


CANARY = """
import ctypes
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
print(ctypes.string_at(libc.getauxval(25), 16).hex())  # AT_RANDOM: stack canary and pointer guard are made of it
"""


def test_stack_canaries_are_common_to_one_fork_server_only(site: Site, person: Callable[..., Person]) -> None:
    """What is left (threat-model.md): siblings know each other's, until another fork server has taken its place."""

    def canary(name: str) -> str:
        someone = person(name)
        someone.launch()
        return someone.kernel().run(CANARY).text.strip()

    first = canary("first")
    assert canary("sibling") == first
    os.kill(site.fork_server(), signal.SIGKILL)
    wait_for(lambda: site.have_fork_server().forks == 0, 60, "it was not replaced")
    assert canary("later") != first
    with launched_by(site, "exec"):
        assert len({canary(f"apart{number}") for number in range(2)} | {first}) == 3


def test_it_decides_at_random_anew(site: Site, person: Callable[..., Person]) -> None:
    """Two servers from one fork server have no secret in common."""
    secrets = set()
    for name in ("ada", "bob"):
        someone = person(name)
        assert site.is_forked(someone.launch())
        code = "import jupyter_core.paths as p; print(open(p.jupyter_runtime_dir() + '/jupyter_cookie_secret').read())"
        result = someone.kernel().run(code)
        assert len(result.text) > 30, result
        secrets.add(result.text)
    assert len(secrets) == 2


def test_it_starts_without_it_when_it_was_killed(site: Site, person: Callable[..., Person]) -> None:
    first = person("first")
    server = first.launch()
    kernel = first.kernel()
    os.kill(site.fork_server(), signal.SIGKILL)
    second = person("second")
    second.launch()
    assert not kernel.run("print(1)").error, "what it forked goes on"
    site.have_fork_server()
    third = person("third")
    assert site.is_forked(third.launch())
    assert first.server().pk == server.pk


def test_it_starts_without_it_when_it_hangs(site: Site, owner: Person) -> None:
    os.kill(site.fork_server(), signal.SIGSTOP)
    server = owner.launch()
    assert not site.is_forked(server)
    prefix = base_environment().prefix
    [status] = [status for status in get_launcher().fork_servers() if status.prefix == prefix]
    assert status.failures
    assert len([name for name in site.leftovers() if server.pk.hex in name]) == 2, "one directory, one socket"


def test_it_is_another_when_its_other_half_was_killed(site: Site, person: Callable[..., Person]) -> None:
    """The launch that finds out has kernels of another kind; the next one has forked ones again."""
    before = site.fork_server()
    os.kill(children(before)[0], signal.SIGKILL)
    first, second = person("first"), person("second")
    first.launch()
    assert first.kernel().run("print(6 * 7)").text.strip() == "42"
    wait_for(lambda: site.have_fork_server() and site.fork_server() != before, 60, "it was not replaced")
    second.launch()
    code = "import os; print(open(f'/proc/{os.getppid()}/comm').read())"
    assert second.kernel().run(code).text.strip() == "kernel-server"


def test_it_is_another_when_the_environment_changed(site: Site, owner: Person) -> None:
    before = site.fork_server()
    [packages] = Path(base_environment().prefix).glob("lib/python3*/site-packages")
    (packages / "just-installed.dist-info").mkdir()
    try:
        assert not site.is_forked(owner.launch()), "it knows the old packages"
        wait_for(lambda: site.have_fork_server() and site.fork_server() != before, 60, "it was not replaced")
    finally:
        (packages / "just-installed.dist-info").rmdir()


def test_it_has_imported_what_opening_a_notebook_takes(site: Site, owner: Person) -> None:
    files = ["nbconvert/exporters/templateexporter.py", "anyio/_backends/_asyncio.py", "ipykernel/kernelspec.py"]
    owner.launch()
    assert set(search(kernel_of(owner), files)) == set(files)


def test_it_starts_many_at_once(site: Site, person: Callable[..., Person]) -> None:
    people = [person("crowd") for _ in range(8)]
    threads = [threading.Thread(target=request_server, args=(p.user, p.user)) for p in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: all(p.server().state == State.RUNNING for p in people), 90, "not all run")
    for one in people:
        one.enter()
        assert one.kernel().run("print(6 * 7)").text.strip() == "42"


def test_it_leaves_nothing_behind(site: Site, owner: Person) -> None:
    server = owner.launch()
    owner.kernel().run("import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)")
    stop_server(owner.user, server, StopReason.ASKED)
    wait_for(lambda: owner.server().state == State.STOPPED, 30, "it did not stop")
    assert server.pk.hex not in site.sandboxes()
    assert not [name for name in site.leftovers() if server.pk.hex in name]
    for_kernels = children(site.fork_server())
    assert len(for_kernels) == 1, "no child of the fork server is left, not even a dead one, but its other half"
    assert not children(for_kernels[0])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
