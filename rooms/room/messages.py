"""Messages between a page and its room: one binary WebSocket message each, its type in the first byte.

0 sync and 1 awareness are y-protocols' own (sync step 1, step 2, update). 2 is a "raw" message of jupyter-docprovider,
a string (its length in bytes as a variable-length integer, then UTF-8):

- page to room: `save`, then a number; the room answers with JSON
  `{"type": "save", "responseTo": number, "status": "success" | "failed"}`.
- room to page: JSON `{"type": "room", ...}`, what the page has to know about the room, whole each time. It is sent to
  each client when it connects and whenever any of it changes; nobody but the room can send it. Its keys:

  `path`    path of the file within its library, which changes when the file is renamed or moved (the page's own path
            ends with the earlier one)
  `write`   false when this client may not write: what it types stays in its page
  `saved`   true when all that the room has is in the file
  `words`   list of what hinders saving, or happened; empty when all is well. Each is
            `{"state": STATE, "text": "a sentence for people", "by": "name, or empty"}` with STATE one of
            `deleted` (the file is gone; typing is kept in the room), `no-space`, `quota`, `read-only` (archived, or the
            file's mode), `failed` (saving failed for another reason, and is tried again), `unreadable` (somebody
            outside wrote what is no document; those bytes are a version, the next save replaces them), `merged`
            (somebody outside wrote the file, and it was merged; shown for some seconds)

**What the page has to do itself** (frontend/jupyterlab_extension), for the safety of its person: a page that ran, made
or cleared a cell trusts it for as long as it lives, also for outputs that *others* put into the cell afterwards. The
room cannot reach that (`trust` says what was read in JupyterLab). While a transaction of the connection is applied,
the page has to make outputs without trust.

The room closes a connection with 1003 and JSON of at most 123 bytes as the reason, which jupyter-docprovider shows:
`{"reason": "unknown_session", "reloadable": bool, "errorReason": "sentence"}`; with 4400 when it was sent nonsense;
with 4429 when the client is too far behind; with 1013 when it may try again in a moment, as y-websocket does.
"""

import json
from collections.abc import Sequence
from typing import Protocol

from . import wire
from .client import CLOSE_REASON_LIMIT

SYNC, AWARENESS, RAW, QUERY_AWARENESS = 0, 1, 2, 3
STEP1, STEP2, UPDATE = 0, 1, 2


class _Word(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def by(self) -> str: ...


def sync_step1(state: bytes) -> bytes:
    """Ask for what is not in this state vector."""
    return bytes([SYNC, STEP1]) + wire.sized(state)


def sync_step2(update: bytes) -> bytes:
    """The answer to step 1."""
    return bytes([SYNC, STEP2]) + wire.sized(update)


def update(changes: bytes) -> bytes:
    """A change."""
    return bytes([SYNC, UPDATE]) + wire.sized(changes)


def awareness(states: bytes) -> bytes:
    """States of people."""
    return bytes([AWARENESS]) + wire.sized(states)


def save_reply(number: int, *, saved: bool) -> bytes:
    """The answer to `save`."""
    return _raw({"type": "save", "responseTo": number, "status": "success" if saved else "failed"})


def room(*, path: str, write: bool, saved: bool, words: Sequence[_Word]) -> bytes:
    """What a page has to know about its room."""
    told = [{"state": word.state, "text": word.text, "by": word.by} for word in words]
    return _raw({"type": "room", "path": path, "write": write, "saved": saved, "words": told})


def session_over(text: str, *, reloadable: bool = True) -> str:
    """The reason of a close with 1003. ValueError when a control frame has no room for it."""
    reason = {"reason": "unknown_session", "reloadable": reloadable, "errorReason": text}
    encoded = json.dumps(reason, separators=(",", ":"), ensure_ascii=False)
    if len(encoded.encode()) > CLOSE_REASON_LIMIT:
        raise ValueError(f"This is too long for the reason of a close: {text}")
    return encoded


def _raw(value: object) -> bytes:
    return bytes([RAW]) + wire.text(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
