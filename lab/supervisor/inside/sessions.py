"""Sessions of notebooks, also while their kernels wait for packages (kept_packages.py), and how far those are."""

import asyncio
import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.sessions.sessionmanager import SessionManager
from tornado import web


class OneSessionManager(SessionManager):
    """As Jupyter's own; of two requests for one notebook, such as the portal's and its page's, one starts a kernel.

    Between them lies as long as a kernel takes to start, and packages before that take minutes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns: dict[str, asyncio.Lock] = {}

    async def create_session(self, path: "str | None" = None, *args: Any, **kwargs: Any) -> "dict[str, Any]":
        async with self._turns.setdefault(path or "", asyncio.Lock()):
            if path and await self.session_exists(path=path):
                return await self.get_session(path=path)
            return await super().create_session(path, *args, **kwargs)


class PackagesHandler(APIHandler):
    """`GET /api/collaboratory/packages`: how far they are, and what pip said. POST: install a list, now."""

    auth_resource = "server"

    @web.authenticated
    @authorized
    def get(self) -> None:
        installer = self.settings["kept_packages"]
        self.finish(json.dumps({**installer.state, "log": installer.log}))

    @web.authenticated
    @authorized
    def post(self) -> None:
        given = self.get_json_body() or {}
        if not isinstance(given.get("lines"), list):
            raise web.HTTPError(400, "A list of packages has lines.")
        self.settings["kept_packages"].add({"whose": given.get("whose", ""), "lines": given["lines"]})
        self.finish(json.dumps(self.settings["kept_packages"].state))
