"""The portal's API from inside a sandbox: a socket on which nothing else is served, and a token in a file.

Both are directories, bound read-only: a socket that is made anew, or a token that replaces another, is seen there. Each
server has a socket of its own, which the relay of API requests opens (lab/gateway/api_relay.py).
"""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

SOCKET = "portal.sock"
SOCKET_DIRECTORY = "portal"
"""Of a server's directory, and of the site's sockets for servers that have none of their own."""
RELAY = "api-relay.sock"
"""Where the relay is told that a server begins."""
RELAY_SECONDS = 1.0
TOKEN = "token"  # noqa: S105
AHEAD, LONG = 30.0, 1e9
"""Seconds: a token that was written so far ahead of now is from before the clock was set back, and very old."""


log = logging.getLogger("lab.supervisor")


async def have_socket(run: Path, server_id: str) -> None:
    """Have the relay open the socket of a server that begins. While the relay is away the launch goes on without.

    `run`: the directory of the site's sockets.
    """
    try:
        async with asyncio.timeout(RELAY_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(run / RELAY))
            with contextlib.closing(writer):
                writer.write(f"{server_id}\n".encode())
                await reader.readuntil(b"\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        log.warning("%s: the relay of API requests is away (%r); it opens the socket when it is back", server_id, error)


class TokenFile:
    """Token file of one server, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def give(self, token: str) -> None:
        """Write it whole, or not at all; nothing where the server is gone."""
        with contextlib.suppress(FileNotFoundError):
            new = self.directory / "new"
            new.write_text(token)
            new.chmod(0o600)
            new.replace(self.directory / TOKEN)

    @property
    def age(self) -> float | None:
        """Age of the token in seconds; None if there is none. One from before the clock was set back is old."""
        with contextlib.suppress(OSError):
            passed = time.time() - (self.directory / TOKEN).stat().st_mtime
            return max(0.0, passed) if passed > -AHEAD else LONG
        return None


def binds(directory: Path, socket: Path, where: str) -> list[str]:
    """bubblewrap's words that bind the directories of token and socket below `where`."""
    return ["--ro-bind", str(directory), f"{where}/token", "--ro-bind", str(socket), f"{where}/portal"]


def variables(token: str | Path, portal: str | Path, inside: str | Path) -> dict[str, str]:
    """Environment variables by which programs find socket, token and our Python package."""
    return {
        "COLLABORATORY_API": "http://portal/api/v1",
        "COLLABORATORY_SOCKET": f"{portal}/{SOCKET}",
        "COLLABORATORY_TOKEN_FILE": f"{token}/{TOKEN}",
        "PYTHONPATH": f"{inside}/packages",
    }
