"""What a room asks of a connection to it."""

from typing import Protocol

# Close codes of WebSockets (RFC 6455 section 7.4). jupyter-docprovider shows a dialog for 1003 and ends the document
# in the page; for any other code y-websocket connects again by itself.
CLOSE_SESSION_OVER = 1003
CLOSE_TRY_AGAIN = 1013
CLOSE_BAD_MESSAGE = 4400
CLOSE_TOO_SLOW = 4429

CLOSE_REASON_LIMIT = 123  # bytes of UTF-8: what a control frame has room for


class Client(Protocol):
    """One WebSocket of one person. The attributes are the portal's word, never the client's, and may change."""

    user_id: int
    username: str
    display_name: str
    color: str  # "#rrggbb"
    may_write: bool  # what access says now; a session that was opened read-only stays so all the same
    queued: int  # bytes that were given to `send` and have not left yet

    def send(self, message: bytes) -> None:
        """Queue one binary message. Returns at once, also for a closed connection."""

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued. `reason` of at most 123 bytes. Nothing is sent afterwards; may be called twice.

        The connection's owner then calls `Room.disconnect`.
        """
