"""A page in which a file is edited together: what JupyterLab and y-websocket do, without a browser, through the proxy.

Not thread-safe: documents belong to the thread that made them. Nothing is received but in `until`.
"""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings
from pycrdt import Doc, Text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from rooms.documents.notebook import Notebook
from rooms.documents.plain_text import PlainText
from rooms.room import messages, wire
from rooms.room.room import KINDS, Kind

from .people import Person

SECONDS = 30.0
"""More than enough on a loaded machine."""


class RoomPage:
    """One document, which stays while the connection is lost. `path`: in the Lab; in the Drive `<library>/<path>`."""

    def __init__(self, person: Person, path: str, kind: Kind = Kind.TEXT, *, in_lab: bool = True) -> None:
        self.person = person
        self.kind = kind
        self.origin = person.origin if in_lab else settings.PORTAL_URL
        self.base = f"{self.origin}/{'api' if in_lab else 'drive'}/collaboration"
        if in_lab:
            person.have_pass()
        self.path = path
        self.session: dict[str, str] = {}
        self.doc: Doc = Doc()
        self.document = KINDS[kind](self.doc)
        self.socket: ClientConnection | None = None
        self.closed: tuple[int, str] | None = None
        """Code and reason, once the other side has closed."""
        self.told: dict[str, Any] = {}
        """What the room says of itself, as it said it last."""
        self.is_synced = False
        self._applying = False
        self._typed: list[bytes] = []
        self.doc.observe(self._changed)

    # HTTP

    def ask(self, **headers: str) -> requests.Response:
        """Ask for a session."""
        form, _, content_type = self.kind.value.partition(":")
        body = {"format": form, "type": content_type}
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", **headers}
        address = f"{self.base}/session/{quote(self.path, safe='')}"
        return self.person.session.put(address, json=body, headers=sent, timeout=60)

    # WebSocket

    def open(self) -> "RoomPage":
        """Ask for a session, connect, and have the document."""
        answer = self.ask()
        assert answer.status_code == 200, answer.text
        self.session = answer.json()
        self.connect()
        self.until(lambda: self.is_synced, "the document did not come")
        return self

    def connect(self, **headers: str) -> None:
        """Connect with the session that there is, as after a lost connection; all of the document is exchanged."""
        cookies = requests.Request("GET", f"{self.origin}/")
        cookie = self.person.session.prepare_request(cookies).headers.get("Cookie", "")
        room = f"{self.kind}:{self.session['fileId']}?sessionId={self.session['sessionId']}"
        self.closed, self.is_synced, self._typed = None, False, []
        self.socket = connect(
            f"{self.base.replace('http', 'ws', 1)}/room/{room}",
            additional_headers={"Cookie": cookie, "Origin": self.origin, **headers},
            max_size=None,
            open_timeout=30,
            compression=None,
            legacy=True,
        )
        self.send(messages.sync_step1(self.doc.get_state()))

    def connect_again(self) -> None:
        """As y-websocket does, until it succeeds."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.connect()
                self.until(lambda: self.is_synced, "the document did not come")
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def lose(self) -> None:
        """The connection is gone, without a word."""
        assert self.socket
        self.socket.close()
        self.socket = None

    def send(self, message: bytes) -> None:
        """One message, if the connection stands."""
        if self.socket:
            with contextlib.suppress(ConnectionClosed):
                self.socket.send(message)

    def until(self, condition: Callable[[], object], otherwise: str, seconds: float = SECONDS) -> None:
        """Take what comes until the condition holds; AssertionError with `otherwise` if it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{otherwise}: {self.told} {self.closed}")
            self.take()
        self._flush()

    def until_closed(self) -> dict[str, Any]:
        """Until the other side has closed with 1003; returns what it said to the page."""
        self.until(lambda: self.closed, "the connection goes on")
        assert self.closed
        assert self.closed[0] == 1003, self.closed
        reason: dict[str, Any] = json.loads(self.closed[1])
        return reason

    def take(self) -> None:
        """Send what was typed, and take one message, if one comes."""
        self._flush()
        if self.socket is None or self.closed:
            time.sleep(0.02)
            return
        try:
            message = self.socket.recv(timeout=0.05)
        except TimeoutError:
            return
        except ConnectionClosed as closed:
            self.closed = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            return
        assert isinstance(message, bytes)
        self._took(wire.Reader(message))

    def _took(self, reader: wire.Reader) -> None:
        kind = reader.uint()
        if kind == messages.RAW:
            value = json.loads(reader.text())
            if value["type"] == "room":
                self.told = value
        elif kind == messages.SYNC:
            step = reader.uint()
            if step == messages.STEP1:
                self.send(messages.sync_step2(self.doc.get_update(reader.bytes())))
            else:
                self._applying = True
                self.doc.apply_update(reader.bytes())
                self._applying = False
                self.is_synced = self.is_synced or step == messages.STEP2

    def _changed(self, event: Any) -> None:
        if not self._applying:
            self._typed.append(messages.update(event.update))

    def _flush(self) -> None:
        while self._typed:
            self.send(self._typed.pop(0))

    # The document

    @property
    def text(self) -> str:
        """All of a text, or the source of all cells."""
        if isinstance(self.document, PlainText):
            return str(self.document.content())
        return "".join(cell["source"] for cell in self.document.content()["cells"])

    def type(self, text: str) -> None:
        """At the end of the text, or of the first cell."""
        source = self.doc.get("source", type=Text) if self.kind == Kind.TEXT else self._first_cell()
        source.insert(len(str(source).encode()), text)
        self._flush()

    def _first_cell(self) -> Any:
        assert isinstance(self.document, Notebook)
        return self.document.find(self.document.content()["cells"][0]["id"])["source"]  # type: ignore[index]

    def until_saved(self) -> None:
        """Until the room says that all is in the file."""
        self.until(lambda: self.told.get("saved"), "it is not saved")

    def states(self) -> list[str]:
        """The states of what the room has to say."""
        return [word["state"] for word in self.told.get("words", [])]
