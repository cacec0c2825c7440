"""The fork server of one environment: has imported JupyterLab once, and forks a child per launch.

It runs in a read-only view of the machine without a network, capabilities, secrets or anybody's files (fork_server.py
of the supervisor), with one thread, no event loop, no socket but the one to the supervisor. What it knows, every child
knows; so a request is one byte and descriptors, and what is said of a person is read from one of them by the child.

It is two processes: the first has imported Jupyter's server, and forks servers; the second, its child, has imported
ipykernel alone, and forks beside each server a kernel server (kernel_server.py), which forks kernels for it.

    supervisor -> "fork" and descriptors; see `Request`
    fork server -> "ready" once; then per request "ok" or what went wrong
    first -> second: the same, with the descriptors of `KernelRequest`
"""

import contextlib
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import importing  # type: ignore[import-not-found]  # beside this file
import joining  # type: ignore[import-not-found]
import kernel_server  # type: ignore[import-not-found]
import limiting  # type: ignore[import-not-found]

RUN = "/run/lab"
STUCK_SECONDS = 10
ASKED_FOR = ("anyio._backends._asyncio", "ipykernel.kernelspec", "nbconvert.exporters")
"""What a server imports at JupyterLab's first questions, as it opens a notebook; nothing else is answered meanwhile."""
KERNEL_SECONDS = 5
"""How long a launch waits for its kernel server; without one, its kernels are new processes."""


class Request(NamedTuple):
    """The descriptors that come with a request, in this order, followed by one per namespace (joining.KINDS)."""

    settings: int
    """JSON: `environment`, the variables; `home`, where it works."""
    log: int
    listening: int
    go: int
    lifeline: int
    """Held open until the server ends: then its network goes."""
    alive: int
    """Held open until the server ends: then its sandbox goes."""


class KernelRequest(NamedTuple):
    """What a kernel server gets, followed by the namespaces."""

    settings: int
    log: int
    orders: int
    """From Jupyter; closed by its end."""


_connections: "list[socket.socket]" = []
"""The fork server's own, which no child keeps."""
_system_calls = Path(RUN, "system_calls.bpf").read_bytes()
"""The filter for what is forked. Our own allows setns(2), too; whatever either refuses is refused (seccomp(2))."""


def main() -> None:
    """Import, say so, and fork until the supervisor closes the connection."""
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    second, first = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        first.close()
        fork_servers(supervisor, second)
    else:
        supervisor.close()
        second.close()
        fork_kernel_servers(first)


def fork_servers(supervisor: socket.socket, second: socket.socket) -> None:
    """The first process. It ends when the second one does not answer: the supervisor has another then."""
    _connections[:] = [supervisor, second]
    import_what_a_server_needs()
    importing.settle()
    supervisor.send(second.recv(16))
    second.settimeout(KERNEL_SECONDS)
    while fds := receive(supervisor, Request):
        problem, trouble = fork_both(fds, second)
        reply(supervisor, fds, problem)
        if trouble:
            sys.exit(f"Kernels are started as new processes: {trouble}")


def import_what_a_server_needs() -> None:
    """At its launch, and at what comes next."""
    import export_formats  # type: ignore[import-not-found]  # here: Jupyter's server is nothing for kernels
    import serving  # type: ignore[import-not-found]

    serving.import_jupyterlab()
    importing.as_in(lambda: serving.SocketServerApp.instance().initialize([f"--config={RUN}/jupyter_config.json"]))
    importing.ahead(ASKED_FOR)
    with contextlib.suppress(Exception):
        nbformat = importlib.import_module("nbformat")
        nbformat.validate(nbformat.v4.new_notebook())  # the format's schema is read and compiled once
    with contextlib.suppress(Exception):
        export_formats.formats()


def fork_kernel_servers(first: socket.socket) -> None:
    """The second process, until the first has ended."""
    _connections[:] = [first]
    before = dict(os.environ)
    importing.as_in(kernel_server.prepare)
    variables = {name: os.environ[name] for name in os.environ.keys() - before}
    imported = kernel_server.Imported(kernel_server.loaded_files(), variables)
    importing.settle()
    first.send(b"ready")

    def serve_kernels(request: KernelRequest) -> None:
        settings = begin(request.settings)
        joining.name_process("kernel-server")
        limiting.limit()
        kernel_server.KernelServer(request.orders, settings["environment"], imported).run()

    while fds := receive(first, KernelRequest):
        reply(first, fds, fork(fds, KernelRequest, serve_kernels))


def receive(requests: socket.socket, kind: "type[Any]") -> "list[int]":
    """The descriptors of the next request; none when the other side has ended."""
    message, fds, _, _ = socket.recv_fds(requests, 16, len(kind._fields) + len(joining.KINDS))
    return fds if message else []


def reply(requests: socket.socket, fds: "list[int]", problem: str) -> None:
    """Done with a request."""
    for fd in fds:
        os.close(fd)
    requests.send(problem.encode() or b"ok")


def fork_both(fds: "list[int]", second: socket.socket) -> "tuple[str, str]":
    """A server, and at the same time its kernel server; what is wrong with the one, and with the other."""
    request, namespaces = Request(*fds[: len(Request._fields)]), fds[len(Request._fields) :]
    orders, for_kernels = (end.detach() for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    trouble = _ask(second, [*KernelRequest(request.settings, request.log, for_kernels), *namespaces])
    os.close(for_kernels)
    problem = fork(fds, Request, lambda request: serve(request, orders), keep=orders)
    os.close(orders)
    return problem, trouble or _answer_of(second)


def _ask(second: socket.socket, fds: "list[int]") -> str:
    try:
        socket.send_fds(second, [b"fork"], fds)
    except OSError as error:
        return str(error)
    return ""


def _answer_of(second: socket.socket) -> str:
    try:
        answer = second.recv(4096).decode()
    except OSError as error:
        return str(error)
    return "" if answer == "ok" else answer or "It ended."


def fork(fds: "list[int]", kind: "type[Any]", be: "Callable[[Any], None]", keep: int = -1) -> str:
    """One child in its sandbox, which does `be`; empty, or why there is none."""
    child = os.fork()
    if not child:
        enter(fds, kind, be, keep)
        sys.exit()  # as any program ends: with what was registered for it
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return "" if code == 0 else f"The forked process ended with {code}; the server's log says why."


def enter(fds: "list[int]", kind: "type[Any]", be: "Callable[[Any], None]", keep: int) -> None:
    """Go into the sandbox, and have process 1 in there as parent, which cleans up after all of its children."""
    signal.alarm(STUCK_SECONDS)
    count = len(kind._fields)
    request = kind(*fds[:count])
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    joining.join(fds[count:])
    joining.drop_rights(_system_calls)
    kept = {*request, keep} - {request.log}
    while _connections:
        _connections.pop().detach()  # their numbers will be those of other files
    for fd in set(range(3, max(*fds, keep) + 1)) - kept:
        with contextlib.suppress(OSError):
            os.close(fd)
    first = os.fork()
    if first:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
    joining.assert_powerless(filtered=bool(_system_calls))
    if os.fork():
        os._exit(0)
    os.setsid()
    be(request)


def serve(request: Request, orders: int) -> None:
    """Be the person's server."""
    import serving

    begin(request.settings)
    joining.name_process("jupyter-lab")
    serving.serve(RUN, listening=request.listening, go=request.go, orders=orders)


def begin(settings: int) -> "dict[str, Any]":
    """Be somebody's from now on."""
    text = os.pread(settings, os.fstat(settings).st_size, 0)  # another process reads it too
    os.close(settings)
    found: dict[str, Any] = json.loads(text)
    os.environ.clear()
    os.environ.update(found["environment"], PWD=found["home"])  # as bubblewrap does
    os.chdir(found["home"])
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    forget()
    return found


def forget() -> None:
    """What was decided once for all children, each decides anew."""
    random.seed()
    tempfile.tempdir = None
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    sys.argv[:] = [f"{RUN}/inside/start_jupyter.py", RUN]


if __name__ == "__main__":
    main()
