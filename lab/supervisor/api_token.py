"""The portal's API from inside a sandbox: a socket on which nginx serves nothing else, and a token in a file.

Both are directories, bound read-only: a socket that nginx makes anew, or a token that replaces another, is seen there.
"""

import contextlib
import time
from pathlib import Path

SOCKET = "portal.sock"
TOKEN = "token"  # noqa: S105


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
        """Age of the token in seconds; None if there is none."""
        with contextlib.suppress(OSError):
            return max(0.0, time.time() - (self.directory / TOKEN).stat().st_mtime)
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
