"""The process `rooms`: `python -m rooms.server`, until SIGTERM or SIGINT. One worker: one process has all documents.

What is open is saved at the end, as far as there is time; the rest is in the journals.
"""

import os
import signal
import socket
from pathlib import Path

import environ

BACKLOG = 1024
GRACE_SECONDS = 1


def main() -> None:
    """Serve at the unix socket that the proxy knows; where people do not edit together, wait without a listener."""
    if not environ.FileAwareEnv().bool("COEDITING", default=True):
        (Path(os.environ["COLLABORATORY_RUN"]) / "rooms.sock").unlink(missing_ok=True)
        signal.pause()  # a tenth of the memory; the proxy says that there is nothing
        return
    _serve()


def _serve() -> None:
    import django
    import uvicorn

    django.setup()
    from django.conf import settings

    from .asgi import Application
    from .held_bytes import most_message
    from .websocket import BoundedWebSocket

    os.umask(0o077)
    Path(settings.ROOMS_ROOT).mkdir(parents=True, exist_ok=True)
    config = uvicorn.Config(
        Application(),
        loop="asyncio",
        http="h11",
        ws=BoundedWebSocket,
        ws_max_size=most_message(settings.COEDITING_MAX_BYTES),
        ws_per_message_deflate=False,
        interface="asgi3",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    path = Path(settings.RUN_DIR) / "rooms.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
