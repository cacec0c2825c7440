"""Importing ahead what a program imports when it starts: a fork server does so once, for all that it forks."""

import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable


def as_in(start: "Callable[[], object]") -> None:
    """Let a child start the program, and import the modules that it has then, in their order.

    What else the program does ends with the child.
    """
    read, write = os.pipe()
    scout = os.fork()
    if not scout:
        with contextlib.suppress(BaseException):
            start()
            os.write(write, json.dumps(list(sys.modules)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        names = json.loads(lines.read() or "[]")
    os.waitpid(scout, 0)
    ahead(names)


def ahead(names: "Iterable[str]") -> None:
    """Import these modules; those that cannot be are left out."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def settle() -> None:
    """Before the first fork: or the collector's marks would unshare every page with the children."""
    gc.collect()
    gc.freeze()
