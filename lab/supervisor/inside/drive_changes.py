"""Tells JupyterLab at once when a library of the Drive was renamed, turned read-only or writable, or came or went.

The kernel says when the mounts of a namespace change (poll(2) of /proc/self/mountinfo, proc(5)); what has changed,
their numbers and flags say. Open pages get it as an event (jupyter-events), over the connection that they have anyway.
"""

import asyncio
import os
import re
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SCHEMA_ID = "https://schema.collaboratory/drive/v1"
SCHEMA = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "Changes of the Drive",
    "personal-data": True,
    "type": "object",
    "required": ["moved", "changed"],
    "properties": {
        "moved": {"type": "array", "items": {"type": "object"}},
        "changed": {"type": "array", "items": {"type": "string"}},
    },
}
"""`moved`: objects with `from` and `to`; `changed`: what can be written to since, or cannot. Paths below the home."""
MOUNTS = "/proc/self/mountinfo"
_MOUNT = re.compile(rb"^(\d+) \S+ \S+ \S+ (\S+) (\S+) ", re.MULTILINE)
"""Number, mount point and options of a line (proc(5)); not where it comes from."""


def read(home: str) -> "dict[int, tuple[str, bool]]":
    """Path below the home, and whether it is read-only, of each mount in the home, by the mount's number."""
    found = {}
    with _lines() as lines:
        for number, place, options in _MOUNT.findall(lines):
            if (path := _plain(place)).startswith(f"{home}/"):
                found[int(number)] = (path[len(home) + 1 :], b"ro" in options.split(b","))
    return found


@contextmanager
def _lines() -> "Iterator[bytearray]":
    """What MOUNTS holds, wiped afterwards: it names directories of the portal, which nobody needs here."""
    lines, length = bytearray(1 << 20), 0
    with open(MOUNTS, "rb", buffering=0) as mounts:  # noqa: PTH123 - a buffer of Python's would keep a copy
        while read := mounts.readinto(memoryview(lines)[length:]):
            length += read
            if length == len(lines):
                lines.extend(bytes(length))
    try:
        yield lines
    finally:
        lines[:] = bytes(len(lines))


def _plain(field: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field))


def changes(before: "dict[int, tuple[str, bool]]", now: "dict[int, tuple[str, bool]]") -> "dict[str, Any] | None":
    """The event for what is different; None where nothing is that pages should know."""
    moved = [
        {"from": before[number][0], "to": path}
        for number, (path, _) in now.items()
        if number in before and before[number][0] != path
    ]
    known = {path: is_read_only for number, (path, is_read_only) in before.items() if number not in now}
    known |= {now[number][0]: before[number][1] for number in now if number in before}
    changed = [path for path, is_read_only in now.values() if known.get(path, is_read_only) != is_read_only]
    return {"moved": moved, "changed": changed} if moved or changed else None


def watch(home: str, tell: "Callable[[dict[str, Any]], None]") -> None:
    """From now on have `tell` called in the running event loop. A thread waits for the kernel."""
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=_wait, args=(home, loop, tell), name="drive-changes", daemon=True)
    thread.start()


def _wait(home: str, loop: asyncio.AbstractEventLoop, tell: "Callable[[dict[str, Any]], None]") -> None:
    with open(MOUNTS, "rb") as mounts:  # noqa: PTH123 - what is polled
        poll = select.poll()
        poll.register(mounts, select.POLLPRI)
        before = read(home)
        while True:
            poll.poll()
            now = read(home)
            event = changes(before, now)
            before = now
            if event:
                try:
                    loop.call_soon_threadsafe(tell, event)
                except RuntimeError:  # the server ends
                    return
