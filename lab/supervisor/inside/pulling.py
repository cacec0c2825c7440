"""`POST /api/collaboratory/git-pull`: fetch a repository into a folder (git_pull.py); asked again, how far that is."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

PROGRAM = Path(__file__).with_name("git_pull.py")
SECONDS = 900
REMEMBERED = 50
"""Pulls of which the outcome is known; of older ones it is forgotten."""

_known: dict[str, dict[str, Any]] = {}
_tasks: set[asyncio.Task] = set()
_turns: dict[str, asyncio.Lock] = {}


class PullHandler(APIHandler):
    """Starts the pull with this id if it is new, and returns its state."""

    auth_resource = "contents"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        given = self.get_json_body() or {}
        number = str(given.get("id"))
        if number not in _known:
            root = Path(self.settings["server_root_dir"]).expanduser()
            request = {
                "repo": str(given.get("repo")),
                "branch": str(given.get("branch", "")),
                "directory": os.path.normpath(root / str(given.get("path"))),
                "allow": list(given.get("allow", [])),
            }
            _begin(number, request)
        self.finish(json.dumps(_known[number]))


def _begin(number: str, request: dict[str, Any]) -> None:
    _known[number] = {"state": "running", "progress": ""}
    for old in list(_known)[:-REMEMBERED]:
        if _known[old]["state"] != "running":
            del _known[old]
    task = asyncio.create_task(_pull(number, request))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _pull(number: str, request: dict[str, Any]) -> None:
    outcome: dict[str, Any] = {"failed": "git ended without an answer."}
    try:
        async with _turns.setdefault(request["directory"], asyncio.Lock()), asyncio.timeout(SECONDS):
            outcome = await _run(number, request) or outcome
    except TimeoutError:
        outcome = {"failed": f"git did not finish within {SECONDS // 60} minutes."}
    except OSError as error:
        outcome = {"failed": f"git could not be started: {error.strerror}."}
    finally:
        if "done" in outcome:
            _known[number] = {"state": "done", "report": outcome["done"]}
        else:
            _known[number] = {"state": "failed", "error": outcome["failed"]}


async def _run(number: str, request: dict[str, Any]) -> dict[str, Any]:
    """The program's last line."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), stdin=pipe, stdout=pipe, start_new_session=True
    )
    assert process.stdin
    assert process.stdout
    last: dict[str, Any] = {}
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        async for line in process.stdout:
            last = json.loads(line)
            if "progress" in last:
                _known[number]["progress"] = last["progress"]
        await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # git's own children, when it took too long
    return last if "done" in last or "failed" in last else {}
