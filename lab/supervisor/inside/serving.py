"""The person's Jupyter server, whichever way its process came to be: on a socket that was opened outside.

The socket's file lies outside the sandbox, so nobody in here can replace it by a link to another service; it is open
before Jupyter is, so the first request simply waits until it is served. Standard library and Jupyter only: this file
sees nothing of the portal.
"""

import contextlib
import functools
import importlib
import json
import os
import socket
import sys
from datetime import UTC, datetime

import activation  # type: ignore[import-not-found]  # beside this file
import broken_kernels  # type: ignore[import-not-found]
import drive_changes  # type: ignore[import-not-found]
import export_formats  # type: ignore[import-not-found]
import following  # type: ignore[import-not-found]
import foreground  # type: ignore[import-not-found]
import kept_packages  # type: ignore[import-not-found]
import limiting  # type: ignore[import-not-found]
import plotly_script  # type: ignore[import-not-found]
import provisioning  # type: ignore[import-not-found]
import published  # type: ignore[import-not-found]
import pulling  # type: ignore[import-not-found]
import reading  # type: ignore[import-not-found]
import running  # type: ignore[import-not-found]
import saves  # type: ignore[import-not-found]
import sessions  # type: ignore[import-not-found]
import simple_view  # type: ignore[import-not-found]
import usage  # type: ignore[import-not-found]
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.manager import ContentsManager
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.handlers import KernelActionHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager
from jupyter_server.utils import url_path_join
from tornado import web
from traitlets import default

CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
AUTOMATIC = ("/api/security/", "/api/collaboratory/", "/lab/api/workspaces", "/lab/api/settings", "/api/me")
"""What JupyterLab sends by itself, without a person doing anything."""


class Interaction:
    """Time of the last human interaction, as requests show it; a tab that polls does none of this."""

    def __init__(self) -> None:
        self.last_input: datetime | None = None
        self.last_save: datetime | None = None

    def note(self, handler: web.RequestHandler) -> None:
        """Look at one finished request."""
        request = handler.request
        if handler.get_status() >= 400 or request.path.startswith(AUTOMATIC):
            return
        opened = request.method == "GET" and (
            request.headers.get("Sec-Fetch-Mode") == "navigate" or self._reads_a_file(handler)
        )
        if opened or request.method in CHANGES:
            self.last_input = datetime.now(UTC)
        if request.method in CHANGES and request.path.startswith("/api/contents/"):
            self.last_save = datetime.now(UTC)

    @staticmethod
    def _reads_a_file(handler: web.RequestHandler) -> bool:
        """A file's content was asked for; the file browser polls directories, and open documents only their date."""
        return (
            handler.request.path.startswith("/api/contents/")
            and handler.get_query_argument("content", "1") == "1"
            and handler.get_query_argument("type", "") in ("file", "notebook")
        )


class ActivityHandler(APIHandler):
    """`GET /api/collaboratory/activity`: the facts from which the portal decides whether the server is idle."""

    auth_resource = "server"

    @web.authenticated
    @authorized
    def get(self) -> None:
        interaction: Interaction = self.settings["interaction"]
        terminals = self.settings.get("terminal_manager")
        self.finish(
            json.dumps(
                {
                    "now": text(datetime.now(UTC)),
                    "last_input": text(interaction.last_input),
                    "last_save": text(interaction.last_save),
                    "kernels": [
                        {
                            "id": k["id"],
                            "busy": k["execution_state"] == "busy" and not is_waiting(self.kernel_manager, k["id"]),
                            "last_activity": text(k["last_activity"]),
                        }
                        for k in self.kernel_manager.list_kernels()
                    ],
                    "terminals": [
                        {
                            "name": t["name"],
                            "last_activity": text(t["last_activity"]),
                            "running": bool(foreground.running_command(terminals.terminals.get(t["name"]))),
                        }
                        for t in (terminals.list() if terminals else [])
                    ],
                }
            )
        )


def is_waiting(kernels: "AsyncMappingKernelManager", kernel_id: str) -> bool:
    """True while code in the kernel waits for a person at `input()`."""
    known = getattr(kernels, "followed", {}).get(kernel_id)
    return known is not None and known.is_waiting


def text(moment: "datetime | str | None") -> "str | None":
    """ISO 8601, or None."""
    return moment.isoformat() if isinstance(moment, datetime) else moment


class RestartHandler(KernelActionHandler):
    """Jupyter's own, which keeps the reason to itself when a kernel cannot be started again."""

    async def post(self, kernel_id: str, action: str) -> None:
        try:
            await super().post(kernel_id, action)
        except web.HTTPError as error:
            if isinstance(error.__cause__, broken_kernels.KernelEndedError):
                raise web.HTTPError(500, str(error.__cause__)) from error
            raise


class PlotlyScriptHandler(JupyterHandler):
    """`GET /api/collaboratory/plotly.js`; 404 without plotly. Not kept unasked: another may be installed."""

    auth_resource = "server"

    @web.authenticated
    @authorized
    def get(self) -> None:
        file = plotly_script.find()
        if file is None:
            raise web.HTTPError(404, "plotly is not installed.")
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "private, no-cache")
        self.finish(file.read_bytes())


HANDLERS = {
    "activity": ActivityHandler,
    "git-pull": pulling.PullHandler,
    "executions": running.ExecutionsHandler,
    "packages": sessions.PackagesHandler,
    "plotly.js": PlotlyScriptHandler,
    "runs": running.RunsHandler,
    "usage": usage.UsageHandler,
}
"""Our own addresses, below /api/collaboratory/."""


class SocketServerApp(ServerApp):
    """A Jupyter server on a socket that is already listening."""

    listening_fd = -1
    go_fd = -1
    run_directory = ""

    @default("contents_manager_class")
    def _versioned_contents(self) -> "type[ContentsManager]":
        return saves.VersionedContentsManager

    @default("kernel_manager_class")
    def _following_kernels(self) -> "type[AsyncMappingKernelManager]":
        return following.FollowingKernelManager

    @default("kernel_websocket_connection_class")
    def _followed_connections(self) -> "type[ZMQChannelsWebsocketConnection]":
        return following.FollowedConnection

    @default("session_manager_class")
    def _one_session(self) -> "type[SessionManager]":
        return sessions.OneSessionManager

    def _bind_http_server(self) -> None:
        """Serve nobody, and so run nobody's code, before everything around the server is in place."""
        if os.read(self.go_fd, 1) != b"1":
            sys.exit("The supervisor ended while it was starting this server.")
        activation.activate()
        listener = socket.socket(fileno=self.listening_fd)
        listener.setblocking(False)
        self.http_server.add_socket(listener)

    def _find_http_port(self) -> None:
        """There is no port to find."""

    async def _post_start(self) -> None:
        await super()._post_start()
        self.event_logger.register_event_schema(drive_changes.SCHEMA)
        tell = functools.partial(self.event_logger.emit, schema_id=drive_changes.SCHEMA_ID)
        drive_changes.watch(self.root_dir, lambda data: tell(data=data))
        self.event_logger.register_event_schema(kept_packages.SCHEMA)
        tell_of_packages = functools.partial(self.event_logger.emit, schema_id=kept_packages.SCHEMA_ID)
        self.web_app.settings["kept_packages"].tell = lambda data: tell_of_packages(data=data)
        self.web_app.settings["kept_packages"].start()

    def init_webapp(self) -> None:
        super().init_webapp()
        interaction = self.web_app.settings["interaction"] = Interaction()
        self.web_app.settings["collaboratory_run"] = self.run_directory
        installer = self.web_app.settings["kept_packages"] = kept_packages.read(self.run_directory)
        if isinstance(self.kernel_manager, following.FollowingKernelManager):
            self.kernel_manager.installer = installer
        log = self.web_app.settings["log_function"]

        def log_and_note(handler: web.RequestHandler) -> None:
            interaction.note(handler)
            log(handler)

        self.web_app.settings["log_function"] = log_and_note
        for name, handler in HANDLERS.items():
            address = url_path_join(self.base_url, "/api/collaboratory", name)
            self.web_app.add_handlers(".*$", [(address, handler)])
        restart = url_path_join(self.base_url, r"/api/kernels/(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)/(?P<action>restart)")
        formats = url_path_join(self.base_url, "/api/nbconvert")
        self.web_app.add_handlers(".*$", [(restart, RestartHandler), (formats, export_formats.FormatsHandler)])

    def load_server_extensions(self) -> None:
        super().load_server_extensions()
        reading.prepare(self.web_app.settings)
        published.prepare(self.web_app.settings)
        plotly_script.prepare(self.web_app.settings)
        simple_view.prepare(self)


def import_jupyterlab() -> None:
    """Import it without Node.js, which JupyterLab would start to read npm's settings: a second of the processor."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.devnull  # an empty one is taken for none, and the system's is searched
    try:
        with contextlib.suppress(Exception):  # Jupyter says later what is wrong with it
            importlib.import_module("jupyterlab.labapp")
    finally:
        os.environ["PATH"] = before


def serve(run: str, *, listening: int, go: int, orders: "int | None" = None) -> None:
    """Serve until stopped. `run`: the directory of our files in the sandbox; then descriptors.

    `orders`: of a kernel server; without it, kernels are new processes.
    """
    limiting.limit()
    import_jupyterlab()
    SocketServerApp.listening_fd, SocketServerApp.go_fd, SocketServerApp.run_directory = listening, go, run
    SocketServerApp.launch_instance(argv=[f"--config={run}/jupyter_config.json", *provisioning.use(orders)])
