"""A hostile notebook in a real sandbox, started through the real proxy: what it tries, fails."""

from collections.abc import Callable

import pytest
from django.conf import settings

from ..support.people import Kernel, Person
from ..support.site import Site

pytestmark = pytest.mark.sandbox


@pytest.fixture
def hostile(lasting: Person) -> Person:
    """One Lab for all of it: what is tried here leaves nothing behind."""
    return lasting


def test_it_sees_nothing_of_the_portal(site: Site, notebook: Kernel) -> None:
    """Database, secret key, settings, sockets, other homes, other libraries: none has a path in there."""
    places = [settings.VAR_DIR, settings.RUN_DIR, settings.DRIVE_ROOT, settings.LAB_ROOT, settings.BASE_DIR / "portal"]
    for place in places:
        result = notebook.run(f"import os; print(os.listdir({str(place)!r}))")
        assert result.error.startswith("FileNotFoundError"), (place, result)
    for name in ("portal.sqlite3", "secret-key", "redis.sock", "supervisor.sock", "web.sock"):
        found = notebook.run(f"!find / -xdev -name {name} -not -path '/proc/*' 2>/dev/null")
        assert name not in found.text


def test_it_reads_no_variable_of_the_portal(notebook: Kernel) -> None:
    """Not of its own processes, and not of bubblewrap's, which the supervisor started."""
    seen = notebook.run("!for pid in /proc/[0-9]*; do tr '\\0' '\\n' < $pid/environ; done 2>&1").text
    assert "JUPYTER_CONFIG_PATH=" in seen
    assert settings.SECRET_KEY not in seen
    for name in ("SECRET_KEY", "DATABASE_URL", "METRICS_TOKEN", "COLLABORATORY_VAR"):
        assert f"{name}=" not in seen


def test_it_sees_no_process_of_the_host(site: Site, notebook: Kernel) -> None:
    """Process numbers are its own, and there is nothing else to signal."""
    listed = notebook.run("!cat /proc/[0-9]*/cmdline | tr '\\0' ' '").text
    assert "/run/lab/inside/" in listed
    for word in ("gunicorn", "celery", "nginx", "redis", "lab.supervisor"):
        assert word not in listed
    result = notebook.run(f"import os; os.kill({site.pid('web')}, 0)")
    assert result.error.startswith("ProcessLookupError")


def test_it_has_no_capability_and_cannot_get_one(notebook: Kernel) -> None:
    """No capability, no new privileges, no user namespace of its own, not the host's uid 0."""
    status = notebook.run("print(open('/proc/self/status').read())").text
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert notebook.run("import os; print(os.getuid())").text.strip() != "0"
    assert "unshare failed" in notebook.run("!unshare --user true 2>&1").text
    denied = notebook.run("open('/proc/sys/kernel/core_pattern', 'w').write('x')")
    assert "PermissionError" in denied.error or "Read-only" in denied.error
    assert notebook.run("!mount -t tmpfs none /mnt 2>&1 || mount --bind / /tmp 2>&1; echo $?").text.strip()[-1] != "0"


def test_it_cannot_start_processes_without_end(notebook: Kernel) -> None:
    """A limit that it cannot raise."""
    code = "import resource as r; print(r.getrlimit(r.RLIMIT_NPROC)); r.setrlimit(r.RLIMIT_NPROC, (9999, 9999))"
    result = notebook.run(code)
    assert "(4096, 4096)" in result.text
    assert result.error.startswith("ValueError")


def test_it_runs_as_no_root_of_the_host(site: Site, hostile: Person) -> None:
    """Seen from outside: no process of a Lab has the host's uid 0."""
    from lab.supervisor import processes

    [server] = [hostile.server().pk.hex]
    bwraps = [found for found in processes.sandboxes(settings.LAB_ROOT / "servers") if found.server == server]
    assert {found.is_init for found in bwraps} == {True, False}
    for found in bwraps:
        assert processes.uid(found.pid) != 0


def test_it_reaches_no_service_of_the_machine(site: Site, notebook: Kernel) -> None:
    """The proxy's port, the host's loopback through slirp4netns' gateway, the machine's addresses: no connection."""
    code = f"""
import json, socket, subprocess
addresses = ["127.0.0.1", "10.0.2.2", "localhost", {_own_addresses()!r}, "169.254.169.254"]
for address in sum([a if isinstance(a, list) else [a] for a in addresses], []):
    try:
        socket.create_connection((address, {site.port}), 3)
        print("CONNECTED", address)
    except OSError as error:
        print("refused", address)
"""
    text = notebook.run(code).text
    assert "refused 10.0.2.2" in text
    assert "CONNECTED" not in text


def _own_addresses() -> list[str]:
    import json
    import subprocess

    found = json.loads(subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True).stdout)
    return [a["local"] for i in found for a in i["addr_info"] if not a["local"].startswith("127.")]


def test_it_does_not_reach_another_persons_kernels(notebook: Kernel, person: Callable[..., Person]) -> None:
    """Another's kernel listens on TCP, on a loopback that is not this one."""
    other = person("victim")
    other.launch()
    listening = other.kernel().run("import ipykernel.kernelapp as k; print(k.IPKernelApp.instance().shell_port)").text
    result = notebook.run(f"import socket; socket.create_connection(('127.0.0.1', {int(listening)}), 2)")
    assert result.error.startswith("ConnectionRefusedError")
    assert "victim" not in notebook.run("!ls /home; cat /etc/passwd").text


def test_it_cannot_write_where_it_may_only_read(site: Site, hostile: Person) -> None:
    """The public libraries, the four folders themselves, and everything around the home."""
    kernel = hostile.kernel()
    for place in ("drive/x", "drive/My Libraries/x", "drive/Shared with all/x", "drive/Shared with me/x"):
        result = kernel.run(f"open('/home/{hostile.user.username}/{place}', 'w')")
        assert "Read-only file system" in result.error, place
    for place in ("/usr/x", "/etc/x", "/x", "/run/x", "/run/lab/inside/start_jupyter.py"):
        result = kernel.run(f"open('{place}', 'w')")
        assert result.error, place
