"""The loader: the site, imported once, and forked into each process of the Procfile that needs it.

`bin/keep` starts it as `python -m portal.ops.loader CHANNEL` and sends what to fork on the file descriptor CHANNEL (a
socket of packets): the process' name, the function that it is (`module:function`), its command line, with a NUL between
them. A forked process becomes a child of `bin/keep`, tells its number there, and begins once that is noted. So the site
takes its memory and its seconds of processor time once, and not in each of six processes; where each is a unit of
systemd, it is loaded by each.

What is shared must be no connection and no thread: neither outlives a fork.
"""

import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

FIRST_PAGE = "portal/home.html"
PROGRAMS = (
    "celery.bin.celery celery.apps.worker celery.worker.consumer celery.concurrency.thread kombu.transport.redis"
    " gunicorn.app.wsgiapp gunicorn.arbiter gunicorn.workers.gthread uvicorn uvicorn.protocols.http.h11_impl"
    " portal.celery rooms.server.asgi"
).split()
NOTED_SECONDS = 30
"""In which `bin/keep` notes the number of a process; otherwise it knows of no such process, and asks for another."""
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


def load() -> None:
    """Import what the programs of the Procfile run, and leave it alone in the garbage collections of all of them.

    They would write into every page of memory that the processes share.
    """
    import django
    from celery import current_app

    django.setup()
    from django.db import connections
    from django.template.loader import get_template
    from django.urls import reverse

    for name in PROGRAMS:
        importlib.import_module(name)
    current_app.loader.import_default_modules()
    current_app.finalize()
    reverse("account")  # imports the views of all apps
    get_template(FIRST_PAGE)
    connections.close_all()
    if threading.active_count() > 1:
        raise RuntimeError(f"a thread would not outlive a fork: {threading.enumerate()}")
    gc.collect()
    gc.freeze()


def serve(channel: socket.socket) -> tuple[str, list[str]]:
    """Fork whatever is asked for, until the other end is closed. Returns in each forked process, with what it is."""
    keeper = os.getppid()
    while order := channel.recv(2**16):
        name, entry, *words = order.decode().split("\0")
        if child := os.fork():
            os.waitpid(child, 0)
        elif os.fork():
            os._exit(0)  # the other one is left to bin/keep
        else:
            report(channel, keeper, name)
            return entry, words
    sys.exit()


def report(channel: socket.socket, keeper: int, name: str) -> None:
    """In a forked process: tell its number, and return when it is noted; SystemExit when it is not."""
    until = time.monotonic() + NOTED_SECONDS
    while os.getppid() != keeper:
        _pause(until)
    os.setpgid(0, 0)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_NAME, name.encode())
    if os.getppid() != keeper:
        sys.exit()
    os.environ["COLLABORATORY_PROCESS"] = name
    channel.send(f"{name}\0{os.getpid()}".encode())
    channel.close()
    while _noted(name) != str(os.getpid()):
        _pause(until)


def _pause(until: float) -> None:
    if time.monotonic() > until:
        sys.exit("bin/keep does not know of this process")
    time.sleep(0.002)


def _noted(name: str) -> str:
    """Process id in bin/keep's record of this name; "" for none."""
    try:
        return Path(os.environ["COLLABORATORY_RUN"], f"{name}.keep").read_text().partition(" ")[0]
    except OSError:
        return ""


def main() -> None:
    """Load, fork, and be what was asked for."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    load()
    entry, words = serve(channel)
    sys.argv = words
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    main()
