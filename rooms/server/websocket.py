"""uvicorn's WebSockets, with an account of what each holds in memory (`held_bytes`).

A message is kept until all of it has come, before anybody has looked at it. `ws_max_size` bounds its content, not what
each of its fragments costs, however short; nor what waits in the socket for a browser that does not read.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from rooms.room.client import CLOSE_TRY_AGAIN

from .held_bytes import held

FRAGMENT_OVERHEAD = 160
"""Bytes of memory that a fragment takes besides what is in it."""
PERSON = "X-Rooms-Person"


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """One connection. It is closed where its person's connections hold too much; the page then tries again."""

    person = 0
    """The id that the proxy says; 0 before it did."""
    _fragments = 0  # of a message that has not come as a whole
    _whole = 0  # of messages that nobody has taken yet
    _counted = 0

    # What comes

    def data_received(self, data: bytes) -> None:
        """Of the socket."""
        super().data_received(data)
        self._count()

    def handle_connect(self, event: Any) -> None:
        """The handshake."""
        told = event.headers.get_all(PERSON)
        self.person = int(told[0]) if len(told) == 1 and told[0].isdecimal() else 0
        super().handle_connect(event)

    def handle_text(self, event: Frame) -> None:
        """A message or its first fragment."""
        self._fragments = _cost(event)
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """A message or its first fragment."""
        self._fragments = _cost(event)
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """A further fragment."""
        self._fragments += _cost(event)
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """A message has come as a whole."""
        self._whole, self._fragments = self._whole + self._fragments, 0
        super().send_receive_event_to_app()

    async def receive(self) -> Any:
        """The next message, for the application."""
        message = await super().receive()
        if self.queue.empty():
            self._whole = 0
        self._count()
        return message

    # What goes

    async def send(self, message: Any) -> None:
        """A message of the application. It waits while an earlier one is in the socket."""
        await super().send(message)
        self._count()

    def resume_writing(self) -> None:
        """The browser has read what waited."""
        super().resume_writing()
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is held any more."""
        super().connection_lost(exc)
        self._set(0)

    # The account

    def _count(self) -> None:
        if self.disconnected or self.transport.is_closing():
            return
        waiting = self.transport.get_write_buffer_size()
        if not self._set(len(self.conn.reader.buffer) + self._fragments + self._whole + waiting):
            self._give_up()

    def _set(self, now: int) -> bool:
        before, self._counted = self._counted, now
        return held.change(self.person, now - before)

    def _give_up(self) -> None:
        self.frames, self._fragments = [], 0
        self.conn.fail(CLOSE_TRY_AGAIN, "You have too much under way.")
        self.conn.reader.buffer.clear()
        if self.conn.close_sent is not None:
            self.handle_parser_exception()
        if (
            self.conn.close_sent is None
            or self.transport.get_write_buffer_size() > self.transport.get_write_buffer_limits()[1]
        ):
            self.transport.abort()  # nobody reads what is to be sent before the end


def _cost(frame: Frame) -> int:
    return len(frame.data) + FRAGMENT_OVERHEAD
