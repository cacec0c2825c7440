"""Who is in a room, and where: Yjs' awareness, in which every state belongs to the connection that it came by.

A state is a small JSON object that a page says of itself (its cursor, which cell it runs). Who the person is, the
portal says: `user` in it is replaced by name and colour as the portal knows them, so that nobody appears as another.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from . import wire
from .client import Client

MAX_STATE = 64 << 10  # bytes of one page's state; many cursors take a few hundred
MAX_ENTRIES = 10_000


@dataclass
class _Entry:
    clock: int
    state: str  # JSON
    client: Client


@dataclass
class AwarenessStates:
    """The states of everybody in one room, by the id that their page has in the shared document."""

    entries: dict[int, _Entry] = field(default_factory=dict)
    clocks: dict[int, int] = field(default_factory=dict)  # of ids that are gone: a later state has a later clock

    def receive(self, client: Client, update: bytes) -> bytes | None:
        """Take in an awareness update of a client; returns what to relay, if anything. WireError.

        A page has one id, which the first state that it sends about itself binds to its connection. It also sends
        back what it was told of others: that is passed over, as is anything about an id that is another's.
        """
        reader = wire.Reader(update)
        count = reader.uint()
        if count > MAX_ENTRIES:
            raise wire.WireError("Too many states.")
        changed = []
        for _ in range(count):
            number, clock, text = reader.uint(), reader.uint(), reader.text()
            if self._may_set(client, number, alone=count == 1) and self._set(client, number, clock, text):
                changed.append(number)
        return self._encode(changed) if changed else None

    def everybody(self) -> bytes | None:
        """All states, for a client that comes in; None when there are none."""
        return self._encode(list(self.entries)) if self.entries else None

    def leave(self, client: Client) -> bytes | None:
        """Remove the states of a connection; returns what to tell the others."""
        gone = [number for number, entry in self.entries.items() if entry.client is client]
        for number in gone:
            self.clocks[number] = self.entries.pop(number).clock + 1
        while len(self.clocks) > MAX_ENTRIES:
            del self.clocks[next(iter(self.clocks))]
        return _encode([(number, self.clocks[number], "null") for number in gone]) if gone else None

    def _may_set(self, client: Client, number: int, *, alone: bool) -> bool:
        mine = [owned for owned, entry in self.entries.items() if entry.client is client]
        if mine:
            return number in mine
        there = self.entries.get(number)
        # A page that connects again may come before its earlier connection is seen to have ended.
        return alone and (there is None or there.client.user_id == client.user_id)

    def _set(self, client: Client, number: int, clock: int, text: str) -> bool:
        there = self.entries.get(number)
        if there is None and clock < self.clocks.get(number, 0):
            clock = self.clocks[number]
        if there is not None and clock < there.clock:
            return False
        state = _read(text)
        if state is None:
            if there is None:
                return False
            self.clocks[number] = clock
            del self.entries[number]
            return True
        state["user"] = identity(client)
        self.entries[number] = _Entry(clock, json.dumps(state, separators=(",", ":")), client)
        return True

    def _encode(self, numbers: list[int]) -> bytes:
        return _encode(
            [
                (number, entry.clock, entry.state)
                if (entry := self.entries.get(number))
                else (number, self.clocks[number], "null")
                for number in numbers
            ]
        )


def identity(client: Client) -> dict[str, Any]:
    """A person in the shape of JupyterLab's `User.IIdentity`."""
    initials = "".join(word[0] for word in client.display_name.split()[:2]).upper()
    return {
        "username": client.username,
        "name": client.display_name,
        "display_name": client.display_name,
        "initials": initials or client.username[:1].upper(),
        "color": client.color,
    }


def _read(text: str) -> dict[str, Any] | None:
    """The object that a page says of itself; None for `null`, and for what is too large or none."""
    if len(text) > MAX_STATE:
        return None
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return state if isinstance(state, dict) else None


def _encode(entries: list[tuple[int, int, str]]) -> bytes:
    parts = [wire.uint(len(entries))]
    for number, clock, state in entries:
        parts += [wire.uint(number), wire.uint(clock), wire.text(state)]
    return b"".join(parts)
