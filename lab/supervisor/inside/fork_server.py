"""The fork server of one environment: has imported JupyterLab once, and forks a child per launch.

It runs in a read-only view of the machine without a network, capabilities, secrets or anybody's files (fork_server.py
of the supervisor), with one thread, no event loop, no socket but the one to the supervisor. What it knows, every child
knows; so a request is one byte and descriptors, and what is said of a person is read from one of them by the child.

    supervisor -> "fork" and descriptors; see `Request`
    fork server -> "ready" once; then per request "ok" or what went wrong
"""

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NamedTuple

import joining  # type: ignore[import-not-found]  # beside this file
import serving  # type: ignore[import-not-found]

RUN = "/run/lab"
STUCK_SECONDS = 10


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


def main() -> None:
    """Import, say so, and fork until the supervisor closes the connection."""
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    import_what_a_server_needs()
    gc.collect()
    gc.freeze()  # or the collector's marks would unshare every page with the children
    supervisor.send(b"ready")
    while True:
        message, fds, _, _ = socket.recv_fds(supervisor, 16, len(Request._fields) + len(joining.KINDS))
        if not message:
            return
        problem = fork(fds)
        for fd in fds:
            os.close(fd)
        supervisor.send(problem.encode() or b"ok")


def import_what_a_server_needs() -> None:
    """Let a child start a server as a launch would, and import the modules that it has then."""
    read, write = os.pipe()
    scout = os.fork()
    if not scout:
        with contextlib.suppress(BaseException):
            app = serving.SocketServerApp.instance()
            app.initialize(argv=[f"--config={RUN}/jupyter_config.json"])
            os.write(write, json.dumps(sorted(sys.modules)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        names = json.loads(lines.read() or "[]")
    os.waitpid(scout, 0)
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def fork(fds: list[int]) -> str:
    """One child in its sandbox; empty, or why there is none."""
    child = os.fork()
    if not child:
        _never_return(lambda: enter(fds))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return "" if code == 0 else f"The forked process ended with {code}; the server's log says why."


def enter(fds: list[int]) -> None:
    """Go into the sandbox, and have process 1 in there as parent, which cleans up after all of its children."""
    signal.alarm(STUCK_SECONDS)
    count = len(Request._fields)
    request = Request(*fds[:count])
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    joining.join(fds[count:])
    joining.drop_rights()
    keep = {request.settings, request.listening, request.go, request.lifeline, request.alive}
    for fd in set(range(3, max(fds) + 1)) - keep:  # the supervisor's connection among them
        with contextlib.suppress(OSError):
            os.close(fd)
    first = os.fork()
    if first:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
    joining.assert_powerless()
    if os.fork():
        os._exit(0)
    os.setsid()
    serve(request)


def serve(request: Request) -> None:
    """Be the person's server."""
    with os.fdopen(request.settings) as text:
        settings = json.loads(text.read())
    os.environ.clear()
    os.environ.update(settings["environment"])
    os.chdir(settings["home"])
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    forget()
    joining.name_process("jupyter-lab")
    serving.serve(RUN, listening=request.listening, go=request.go)


def forget() -> None:
    """What was decided once for all children, each decides anew."""
    random.seed()
    tempfile.tempdir = None
    sys.argv[:] = [f"{RUN}/inside/start_jupyter.py", RUN]


def _never_return(do: Callable[[], None]) -> None:
    code = 1
    try:
        do()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
