"""One WebSocket of one person (`rooms.room.client.Client`)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from portal.models import User
from rooms.room.client import CLOSE_TRY_AGAIN

from .authorisation import Grant
from .held_bytes import held

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

COLOURS: Final = (
    "#b5332e", "#8a5a00", "#4d6b00", "#00713c", "#006f78", "#0067a8",
    "#4457c4", "#7a43b6", "#a1307f", "#7d4b32", "#52616b", "#9c3f00",
)  # fmt: skip
"""Colours of cursors: readable with white letters on them (WCAG 2.1, contrast of 4.5:1)."""


class Connection:
    """What is sent is queued, and goes out as fast as the browser takes it. One event loop."""

    def __init__(self, user: User, grant: Grant, send: Send, *, may_write: bool) -> None:
        self.user_id = user.pk
        self.username = user.username
        self.display_name = user.display_name
        self.color = colour_of(user)
        self.grant = grant
        self.may_write = may_write
        self.queued = 0
        self.closed = asyncio.Event()
        """Set once nothing more is taken from the browser, and nothing more is queued for it."""
        self._send = send
        self._waiting: asyncio.Queue[bytes | tuple[int, str]] = asyncio.Queue()

    def send(self, message: bytes) -> None:
        """Queue one message; where the person's connections hold too much, the page has to come again later."""
        if self.closed.is_set():
            return
        if self._count(len(message)):
            self._waiting.put_nowait(message)
        else:
            self._count(-len(message))
            self.drop()
            self.close(CLOSE_TRY_AGAIN, "You have too much under way.")

    def drop(self) -> None:
        """Forget what is queued."""
        while not self._waiting.empty():
            message = self._waiting.get_nowait()
            if isinstance(message, bytes):
                self._count(-len(message))

    def _count(self, more: int) -> bool:
        self.queued += more
        return held.change(self.user_id, more)

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued."""
        if not self.closed.is_set():
            self.closed.set()
            self._waiting.put_nowait((code, reason))

    async def pump(self) -> None:
        """Send what is queued, until it is closed or the browser is gone."""
        with contextlib.suppress(OSError, RuntimeError):  # uvicorn's word for a connection that has ended
            while True:
                message = await self._waiting.get()
                if isinstance(message, tuple):
                    await self._send({"type": "websocket.close", "code": message[0], "reason": message[1]})
                    return
                try:
                    await self._send({"type": "websocket.send", "bytes": message})
                finally:
                    self._count(-len(message))


def colour_of(user: User) -> str:
    """The person's colour: the same everywhere, also after a restart."""
    return COLOURS[user.pk % len(COLOURS)]
