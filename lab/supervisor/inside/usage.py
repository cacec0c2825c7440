"""`GET /api/collaboratory/usage`: what this Lab uses of its limits, from the supervisor's file (../resource_use.py).

404 where that keeps none: without it, or in a Lab that an earlier version started.
"""

from pathlib import Path

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

FILE = "facts/usage.json"
"""In the directory of our files."""


class UsageHandler(APIHandler):
    """The file as it is."""

    auth_resource = "server"

    @web.authenticated
    @authorized
    def get(self) -> None:
        try:
            said = Path(self.settings["collaboratory_run"], FILE).read_text()
        except OSError as error:
            raise web.HTTPError(404, "Nobody counts what this Lab uses.") from error
        self.set_header("Cache-Control", "no-store")
        self.finish(said)
