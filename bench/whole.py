"""What a person waits for, in a real site: launching, the proxy, a change of access; and what an idle server costs.

Run by `bin/bench`. Each figure stands beside the thing it is compared to, measured in the same run.
"""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402

from collabs import services as collab_services  # noqa: E402
from collabs.models import Role  # noqa: E402
from lab.launchers import get_launcher  # noqa: E402
from lab.models import Server, State, StopReason  # noqa: E402
from lab.services import request_server, stop_server  # noqa: E402
from lab.supervisor import processes  # noqa: E402
from portal.models import User  # noqa: E402
from tests.people import Person  # noqa: E402
from tests.site import Site, wait_for  # noqa: E402

RUNS = 7
PROXY_SECONDS = 5.0


def main() -> None:
    """Start a site, take the measurements that were asked for (all by default), stop it."""
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    real = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: real(
        "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more
    )
    site = Site()
    site.prepare()
    site.start()
    try:
        for name in chosen:
            print(f"\n{name}", flush=True)
            MEASUREMENTS[name]()
    finally:
        site.stop()


def person(name: str) -> Person:
    """Somebody new."""
    return Person(User.objects.create_user(name, email=f"{name}@example.org", password="unused"))


def end(someone: Person) -> None:
    """Stop a person's server and wait until it is gone."""
    stop_server(None, someone.server(), StopReason.OPERATOR)
    wait_for(lambda: someone.server().state == State.STOPPED, 60, "it did not stop")


def launch() -> None:
    """Click to the first answer of the person's server, beside a bare `jupyter lab` from the same environment."""
    someone = person("bench-launch")
    ours, bare = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        server = request_server(someone.user, someone.user)
        while Server.objects.get(pk=server.pk).state != State.RUNNING:
            time.sleep(0.005)
        ours.append(time.perf_counter() - began)
        end(someone)
        bare.append(with_bare_jupyter(lambda seconds, _pid: seconds))
    report("click to first answer", ours, "bare jupyter lab", bare, "s")


def with_bare_jupyter(measure: Callable[[float, int], float]) -> float:
    """Start `jupyter lab` on a unix socket, wait for its first answer; `measure` gets those seconds and its pid."""
    with tempfile.TemporaryDirectory(prefix="jl-") as home:
        path = f"{home}/s.sock"
        command = [f"{settings.LAB_BASE_ENVIRONMENT}/bin/jupyter-lab", "--no-browser", f"--ServerApp.sock={path}"]
        command += ["--IdentityProvider.token=bench", f"--ServerApp.root_dir={home}"]
        quiet = {"HOME": home, "PATH": os.environ["PATH"]}
        began = time.perf_counter()
        process = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not answers(path, "bench"):
                time.sleep(0.005)
            return measure(time.perf_counter() - began, process.pid)
        finally:
            process.terminate()
            process.wait()


def answers(path: str, token: str) -> bool:
    """Whether a Jupyter server answers at this socket."""
    with suppress(OSError, http.client.HTTPException):
        return ask(connection_to(path), token) == 200
    return False


def connection_to(path: str) -> http.client.HTTPConnection:
    """HTTP over a unix socket."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    return connection


def ask(connection: http.client.HTTPConnection, token: str) -> int:
    """GET /api/status, read to its end; the status."""
    connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
    response = connection.getresponse()
    response.read()
    return response.status


def memory() -> None:
    """Proportional set size of an idle server, beside a bare one."""
    someone = person("bench-memory")
    server = someone.launch()
    time.sleep(3)
    ours = get_launcher().inspect()[server.pk].memory_bytes / 2**20
    end(someone)

    def settled(_seconds: float, pid: int) -> float:
        time.sleep(3)
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    report("idle server", [ours], "bare jupyter lab", [with_bare_jupyter(settled)], "MiB")


def proxy() -> None:
    """Requests one after the other: through nginx with auth_request, and straight to the Jupyter socket."""
    someone = person("bench-proxy")
    server = someone.launch()
    direct = connection_to(str(settings.RUN_DIR / f"lab/{server.pk.hex}.sock"))
    token = Server.objects.get(pk=server.pk).token
    through = http.client.HTTPConnection("127.0.0.1", int(settings.PORTAL_URL.rpartition(":")[2]))
    host = someone.origin.removeprefix("http://")
    headers = {"Host": host, "Cookie": someone.cookies(), "Origin": someone.origin, "Sec-Fetch-Site": "same-origin"}

    def by_proxy() -> int:
        through.request("GET", "/api/status", headers=headers)
        response = through.getresponse()
        response.read()
        return response.status

    ours, bare = [], []
    for _ in range(3):
        bare += timed(lambda: ask(direct, token), PROXY_SECONDS / 3)
        ours += timed(by_proxy, PROXY_SECONDS / 3)
    report("through the proxy", ours, "straight to the socket", bare, "ms")
    rates = [len(times) / sum(times) * 1000 for times in (ours, bare)]
    print(f"  requests per second, one client: {rates[0]:.0f} against {rates[1]:.0f}, ratio {rates[0] / rates[1]:.2f}")
    print(f"  added to the median: {statistics.median(ours) - statistics.median(bare):.2f} ms")
    end(someone)


def timed(request: Callable[[], int], seconds: float) -> list[float]:
    """Milliseconds of each request, for so long."""
    found, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.perf_counter()
        status = request()
        found.append((time.perf_counter() - began) * 1000)
        if status != 200:
            raise SystemExit(f"unexpected status {status}")
    return found


def revocation() -> None:
    """From a change of role or team to what the sandbox's own mounts show, read in its /proc/…/mountinfo."""
    owner, editor = person("bench-owner"), person("bench-editor")
    collab = collab_services.create_collab(owner.user, title="Bench")
    collab_services.add_member(owner.user, collab, editor.user, Role.EDITOR)
    server = editor.launch()
    path = f"/home/{editor.user.username}/drive/Shared with groups/Bench"
    gone, read_only, back = [], [], []
    for _ in range(RUNS):
        gone.append(until(lambda: collab_services.remove_member(owner.user, collab, editor.user), server, path, None))
        add = lambda: collab_services.add_member(owner.user, collab, editor.user, Role.EDITOR)  # noqa: E731
        back.append(until(add, server, path, "rw"))
        down = lambda: collab_services.change_role(owner.user, collab, editor.user, Role.VIEWER)  # noqa: E731
        read_only.append(until(down, server, path, "ro"))
        up = lambda: collab_services.change_role(owner.user, collab, editor.user, Role.EDITOR)  # noqa: E731
        until(up, server, path, "rw")
    for what, times in (("removed to gone", gone), ("added to there", back), ("viewer to read-only", read_only)):
        print(f"  {what}: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms")
    end(editor)


def until(change: Callable[[], object], server: Server, path: str, mode: str | None) -> float:
    """Milliseconds from the call until the sandbox's own mounts show `mode` at `path`."""
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [process.pid for process in found if process.is_init and process.server == server.pk.hex]
    began = time.perf_counter()
    change()
    while mount_mode(init, path) != mode:
        time.sleep(0.001)
    return (time.perf_counter() - began) * 1000


def mount_mode(init: int, path: str) -> str | None:
    """`rw`, `ro`, or None when nothing is mounted there in the sandbox."""
    escaped = path.replace(" ", "\\040")
    modes = [
        fields[5].split(",")[0]
        for fields in map(str.split, Path(f"/proc/{init}/mountinfo").read_text().splitlines())
        if fields[4] == escaped
    ]
    return modes[-1] if modes else None


def report(ours: str, our_values: list[float], other: str, other_values: list[float], unit: str) -> None:
    """Medians and their ratio."""
    first, second = statistics.median(our_values), statistics.median(other_values)
    print(f"  {ours}: {first:.2f} {unit}; {other}: {second:.2f} {unit}; ratio {first / second:.2f}", flush=True)


MEASUREMENTS = {"launch": launch, "memory": memory, "proxy": proxy, "revocation": revocation}

if __name__ == "__main__":
    main()
