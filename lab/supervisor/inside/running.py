"""Runs the cells of a notebook without its page, and hands what runs over to a page that comes.

POST /api/collaboratory/runs        run these cells in this order, and have the portal tell when that has ended
POST /api/collaboratory/executions  what goes on in a kernel, and what a page has missed of it
"""

import asyncio
import json
import time
from typing import Any

import saves  # type: ignore[import-not-found]  # beside this file
from following import DEAD, EXECUTE, FollowedKernel  # type: ignore[import-not-found]
from jupyter_client.session import Session
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

MOST_CELLS = 5000
ERROR_LETTERS = 300
ABORT_SECONDS = 5.0
TELL_SECONDS = 20.0
TELL_AGAIN = (1, 5, 30, 60)
"""Seconds after which the portal is told again, the last for ever: the server ends sooner or later."""
_tasks: "set[asyncio.Task[None]]" = set()


class ExecutionsHandler(APIHandler):
    """For a page that has opened a notebook, or has its kernel again: from now on it is the one that writes."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        given = self.get_json_body() or {}
        known = _followed(self, given)
        path = str(given.get("path", ""))
        async with known.turn:  # what is being written is part of what the page has to know
            executions, hashes = self.kernel_manager.hand_over(str(given["kernel"]), path)
            found = [one.as_json() for one in executions]
            self.finish(json.dumps({"executions": found, "hashes": hashes}, default=str))


class RunsHandler(APIHandler):
    """Sends all cells to the kernel at once, as a page does: the first error ends the run."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        given = self.get_json_body() or {}
        known = _followed(self, given)
        cells = [(str(one["id"]), str(one["code"])) for one in given.get("cells", []) if str(one["code"]).strip()]
        if not cells or len(cells) > MOST_CELLS:
            raise web.HTTPError(400, "There is nothing to run." if not cells else "These are too many cells.")
        kernel = self.kernel_manager.get_kernel(str(given["kernel"]))
        run = Run(kernel, known, str(given.get("path", "")), self.log)
        executions = run.begin(cells)
        _keep(run.finish())
        self.finish(json.dumps({"executions": [one.as_json() for one in executions], "hashes": []}))


def _followed(handler: APIHandler, given: "dict[str, Any]") -> FollowedKernel:
    known = getattr(handler.kernel_manager, "followed", {}).get(str(given.get("kernel")))
    if known is None:
        raise web.HTTPError(404, "There is no such kernel.")
    return known


def _keep(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class Run:
    """One run of some cells: its requests, their replies, and the message about its end."""

    def __init__(self, kernel: Any, known: FollowedKernel, path: str, log: Any) -> None:
        self.known, self.path, self.log = known, path, log
        self.session = Session(config=kernel.session.config, key=kernel.session.key)
        self.stream = kernel.connect_shell(identity=self.session.bsession)
        self.stream.on_recv(self._receive)
        self.began = time.monotonic()
        self.waiting: dict[str, int] = {}
        """Number of the cell, from 1, by request."""
        self.cells = 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        known.ends.add(self.ended)

    def begin(self, cells: "list[tuple[str, str]]") -> "list[Any]":
        """Ask the kernel for all of them; `cells`: ids and code."""
        self.cells = len(cells)
        content = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        executions = []
        for number, (cell, code) in enumerate(cells, 1):
            message = self.session.msg(EXECUTE, content | {"code": code, "stop_on_error": True})
            message["metadata"]["cellId"] = cell
            name = message["header"]["msg_id"]
            self.waiting[name] = number
            executions.append(self.known.executions.begin(name, cell, code, self.session.session))
            executions[-1].is_alone = True
            self.session.send(self.stream, message)
        return executions

    def _receive(self, parts: "list[bytes]") -> None:
        try:
            _, rest = self.session.feed_identities(parts)
            reply = self.session.deserialize(rest)
        except Exception as error:
            self.log.info("A reply of a kernel is not understood: %r", error)
            return
        number = self.waiting.pop(reply["parent_header"].get("msg_id", ""), None)
        content = reply["content"]
        if number is None:
            return
        if content.get("status") not in ("ok", "error"):
            self.known.executions.abort(reply["parent_header"]["msg_id"])
        if self.ended.done():
            return
        if content.get("status") == "error":
            self.ended.set_result(f"Cell {number} of {self.cells}: {content.get('ename')}: {content.get('evalue')}")
        elif content.get("status") != "ok":
            self.ended.set_result(f"Cell {number} of {self.cells} was not run: the run was interrupted.")
        elif not self.waiting:
            self.ended.set_result("")

    async def _see_aborted(self) -> None:
        """After an error the kernel answers for the cells that it will not run."""
        deadline = time.monotonic() + ABORT_SECONDS
        while self.waiting and self.ended.result() != DEAD and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def finish(self) -> None:
        """Wait for the end, and have the person told."""
        error = await self.ended
        seconds = time.monotonic() - self.began
        self.known.ends.discard(self.ended)
        await self._see_aborted()
        self.stream.close()
        told = {"path": self.path, "seconds": round(seconds, 1), "cells": self.cells, "error": error[:ERROR_LETTERS]}
        tries = 0
        while True:
            try:
                await asyncio.to_thread(saves.portal.api, "POST", "/lab/runs", told, timeout=TELL_SECONDS)
                return
            except saves.portal.PortalError as refused:
                if refused.status not in saves.TRY_AGAIN[1:]:
                    self.log.warning("The portal tells nobody of the end of %s: %s", self.path, refused)
                    return
            except Exception as away:
                self.log.info("The portal is not told yet of the end of %s: %r", self.path, away)
            await asyncio.sleep(TELL_AGAIN[min(tries, len(TELL_AGAIN) - 1)])
            tries += 1
