"""Packages for next time: pip installs what the launch brings along, before the first kernel starts.

As the person, in the sandbox, as if they had done it themselves. Whatever becomes of it, the Lab works: a list that
fails is told, and the others are installed. Standard library only.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 900
"""That pip has for one list; then kernels start without it."""
LOG_BYTES = 2**16
"""Of what pip says, its end."""
SCHEMA_ID = "https://schema.collaboratory/packages/v1"
SCHEMA = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "Packages for next time",
    "personal-data": True,
    "type": "object",
    "required": ["lists"],
    "properties": {"lists": {"type": "array", "items": {"type": "object"}}},
}
"""`lists`: as `Installer.state`."""
COMMAND = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off")
OPEN = ("waiting", "installing")


class Installer:
    """Installs one list after the other; kernels wait for `done`."""

    def __init__(self, lists: "list[dict[str, Any]]", python: str = sys.executable) -> None:
        self._lists = [_new(one) for one in lists]
        self._python = python
        self._log = b""
        self._task: asyncio.Task[None] | None = None
        self._done = asyncio.Event()
        if not lists:
            self._done.set()
        self.tell: Callable[[dict[str, Any]], object] = lambda _state: None
        """Called with `state` whenever that changes."""

    @property
    def state(self) -> "dict[str, Any]":
        """Of each list: `whose` it is, how many packages, what pip said when it failed.

        `state`: `waiting`, `installing`, `installed` or `failed`.
        """
        shown = ("whose", "packages", "state", "said")
        return {"lists": [{name: one[name] for name in shown} for one in self._lists]}

    @property
    def log(self) -> str:
        """The end of what pip has said."""
        return self._log.decode(errors="replace")

    def start(self) -> None:
        """Go on with what waits; in a running event loop."""
        if (self._task is None or self._task.done()) and any(one["state"] == "waiting" for one in self._lists):
            self._done.clear()
            self._task = asyncio.get_running_loop().create_task(self._work())

    def add(self, one: "dict[str, Any]") -> None:
        """Install one more list, unless that was done already."""
        new = _new(one)
        known = [each for each in self._lists if (each["whose"], each["lines"]) == (new["whose"], new["lines"])]
        if any(each["state"] != "failed" for each in known):
            return
        self._lists = [each for each in self._lists if each not in known] + [new]
        self.start()

    async def done(self) -> None:
        """Returns when nothing is left to be installed."""
        await self._done.wait()

    async def _work(self) -> None:
        try:
            while waiting := [one for one in self._lists if one["state"] == "waiting"]:
                one = waiting[0]
                one["state"] = "installing"
                self._say()
                try:
                    one["said"] = await self._install(one["lines"])
                except Exception as error:  # whatever it is: kernels wait
                    one["said"] = f"pip could not be started: {error}"
                one["state"] = "failed" if one["said"] else "installed"
                self._say()
        finally:
            self._done.set()

    def _say(self) -> None:
        with contextlib.suppress(Exception):  # of who is told
            self.tell(self.state)

    async def _install(self, lines: "list[str]") -> str:
        """What went wrong, in a line; empty: nothing."""
        process = await asyncio.create_subprocess_exec(
            *(self._python, *COMMAND, "--", *lines),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        said = b""
        assert process.stdout
        try:
            async with asyncio.timeout(SECONDS):
                while read := await process.stdout.read(2**14):
                    said = (said + read)[-LOG_BYTES:]
                    self._log = (self._log + read)[-LOG_BYTES:]
                status = await process.wait()
        except TimeoutError:
            return f"pip did not finish within {SECONDS // 60} minutes."
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # compilers that it started
            await process.wait()
        return "" if status == 0 else _reason(said.decode(errors="replace")) or f"pip ended with status {status}."


def read(run: str) -> Installer:
    """What the launch brought along in the directory of our files, `run`."""
    file = Path(run, "packages.json")
    return Installer(json.loads(file.read_text()) if file.exists() else [])


def _new(one: "dict[str, Any]") -> "dict[str, Any]":
    lines = [str(line) for line in one["lines"]]
    return {"whose": str(one["whose"]), "lines": lines, "packages": len(lines), "state": "waiting", "said": ""}


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [""])[-1][:500]
