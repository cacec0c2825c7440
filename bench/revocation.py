"""From a change of access to what a kernel in the sandbox sees, in milliseconds.

The kernel looks every five milliseconds and reads the clock itself when what it sees has changed; its clock is the one
that was read before the change (CLOCK_MONOTONIC is one for the machine).
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from websockets.exceptions import ConnectionClosed

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from portal.sessions import SessionStore
from tests.support.people import Kernel, Person
from tests.support.room_page import RoomPage

from .common import leave, person, running_site, show

RUNS = 10
SETTLE_SECONDS = 0.3
WATCH = """
import os, time
os.chdir(os.path.expanduser("~"))
folder, name, probe = {folder!r}, {name!r}, {probe!r}
def listed():
    return name in os.listdir(folder)
def writable():
    try:
        open(probe, "w").close()
    except OSError:
        return False
    return True
print("looking", flush=True)
deadline = time.monotonic() + 30
while {seen} != {wanted} and time.monotonic() < deadline:
    time.sleep(0.005)
print(time.monotonic_ns() if time.monotonic() < deadline else -1, flush=True)
"""


def main() -> None:
    """Each change ten times, there and back."""
    with running_site():
        owner, other = person("bench-owner"), person("bench-other")
        server = other.launch()
        kernel = other.kernel()
        changes = of_members(owner, other, kernel) | of_the_public(owner, kernel) | of_sign_ins(other)
        changes |= of_rooms(owner, other)
        for what, times in changes.items():
            show(what, times, "ms")
        if other.server().pk != server.pk:
            raise SystemExit("the server was stopped meanwhile")
        leave(other)


def of_members(owner: Person, other: Person, kernel: Kernel) -> dict[str, list[float]]:
    """Membership and role in a private Collab."""
    collab = collab_services.create_collab(owner.user, title="Private")
    folder, me, boss = "drive/Shared with groups", other.user, owner.user
    change, add = collab_services.change_role, collab_services.add_member
    found: dict[str, list[float]] = {}

    def note(what: str, seen: str, wanted: bool, action: Callable[[], object]) -> None:
        found.setdefault(what, []).append(watch(kernel, folder, collab, seen, wanted, action))

    for _ in range(RUNS):
        note("added as an editor: there", "listed()", True, lambda: add(boss, collab, me, Role.EDITOR))
        note("made a viewer: cannot write", "writable()", False, lambda: change(boss, collab, me, Role.VIEWER))
        note("made an editor: can write", "writable()", True, lambda: change(boss, collab, me, Role.EDITOR))
        remove = lambda: collab_services.remove_member(boss, collab, me)  # noqa: E731
        note("removed: gone", "listed()", False, remove)
    return found


def of_the_public(owner: Person, kernel: Kernel) -> dict[str, list[float]]:
    """A Collab made public and private, as somebody sees it who is no member."""
    collab = collab_services.create_collab(owner.user, title="Open")
    found: dict[str, list[float]] = {"made public: there": [], "made private: gone": []}
    for _ in range(RUNS):
        for times, public in zip(found.values(), (True, False), strict=True):
            change = publish(owner, collab, public)
            times.append(watch(kernel, "drive/Shared with all", collab, "listed()", public, change))
    return found


def of_sign_ins(other: Person) -> dict[str, list[float]]:
    """A session that is ended, as an open kernel socket of its browser sees it."""
    times = []
    for _ in range(RUNS):
        elsewhere = Person(other.user)
        elsewhere.enter()
        kernel = elsewhere.kernel()
        time.sleep(SETTLE_SECONDS * random.random() * 4)  # anywhere between two questions of the relay
        began = time.monotonic_ns()
        SessionStore(elsewhere.session_key).delete()
        with suppress(ConnectionClosed):
            while True:
                kernel.socket.recv(timeout=30)
        times.append((time.monotonic_ns() - began) / 1e6)
    return {"signed out: the socket is cut": times}


def of_rooms(owner: Person, other: Person) -> dict[str, list[float]]:
    """What a page sees in which a file is edited together: its connection is closed with a word."""
    collab = collab_services.create_collab(owner.user, title="Together")
    collab_services.add_member(owner.user, collab, other.user, Role.EDITOR)
    operations.write(owner.user, collab.library, "notes.md", b"")
    place, me, boss = f"drive/Shared with groups/{collab.title}/notes.md", other.user, owner.user
    found: dict[str, list[float]] = {}

    def note(what: str, somebody: Person, action: Callable[[], object]) -> None:
        page = RoomPage(somebody, place).open()
        time.sleep(SETTLE_SECONDS * random.random() * 4)  # anywhere between two questions
        began = time.monotonic_ns()
        action()
        page.until_closed()
        found.setdefault(what, []).append((time.monotonic_ns() - began) / 1e6)

    for _ in range(RUNS):
        note(
            "made a viewer: told in the room", other, lambda: collab_services.change_role(boss, collab, me, Role.VIEWER)
        )
        note("removed: out of the room", other, lambda: collab_services.remove_member(boss, collab, me))
        collab_services.add_member(boss, collab, me, Role.EDITOR)
        elsewhere = Person(me)
        note("signed out: out of the room", elsewhere, SessionStore(elsewhere.session_key).delete)
    return found


def publish(owner: Person, collab: Collab, public: bool) -> Callable[[], object]:
    """The change to public or private."""
    return lambda: collab_services.update_collab(
        owner.user, collab, title=collab.title, description="", is_public=public
    )


def watch(kernel: Kernel, folder: str, collab: Collab, seen: str, wanted: bool, action: Callable[[], object]) -> float:
    """Milliseconds from the call until the kernel sees what is wanted."""
    time.sleep(SETTLE_SECONDS)
    probe = f"{folder}/{collab.title}/probe.txt"
    code = WATCH.format(folder=folder, name=collab.title, probe=probe, seen=seen, wanted=wanted)
    lines = printed(kernel, code)
    next(lines)
    began = time.monotonic_ns()
    action()
    ended = int(next(lines))
    if ended < 0 or next(lines, None) is not None:
        raise SystemExit(f"the kernel did not see {seen} become {wanted}")
    return (ended - began) / 1e6


def printed(kernel: Kernel, code: str) -> Iterator[str]:
    """Lines that a cell prints, as they come."""
    message, rest = kernel.begin(code), ""
    while True:
        answer = json.loads(kernel.socket.recv(timeout=60))
        if answer["parent_header"].get("msg_id") != message:
            continue
        content = answer["content"]
        if answer["msg_type"] == "stream":
            *lines, rest = (rest + content["text"]).split("\n")
            yield from lines
        elif answer["msg_type"] == "error":
            raise SystemExit("\n".join(content["traceback"]))
        elif answer["msg_type"] == "status" and content["execution_state"] == "idle":
            return
