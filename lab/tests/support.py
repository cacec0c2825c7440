"""Helpers of the Lab's tests: a server's state as stored, and an HTTP server in the place of Jupyter."""

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from lab.models import Server


def state_of(server: Server) -> str:
    """The state that the database has now."""
    return Server.objects.get(pk=server.pk).state


class Jupyter:
    """`answers["GET /api/…"] = (status, body)`, or a function that gets the handler and writes what it likes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers.get("Authorization", "")
                outer.asked.append((f"{self.command} {self.path}", token, body))
                answer = outer.answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, b"{}"))
                if callable(answer):
                    answer(self)
                    return
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1])

            do_POST = do_PUT = do_PATCH = do_GET

        class Serving(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # the client hangs up, which is what is tested

        self._server = Serving(str(path), Handler)

    def __enter__(self) -> "Jupyter":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
