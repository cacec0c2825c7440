"""The portal's socket for programs that use `requests`: mount `PortalAdapter` at `ADDRESS` in a session.

session = requests.Session()
session.mount(ADDRESS, PortalAdapter())
session.get(f"{ADDRESS}/api/v1/me", headers={"Authorization": f"Bearer {portal_token()}"})
"""

import os
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

ADDRESS = "http://portal"
"""Of the portal, over the socket; what it answers with addresses of its own begins so, too."""


class _Connection(HTTPConnection):
    def _new_conn(self) -> Any:
        connection = socket.socket(socket.AF_UNIX)
        if isinstance(self.timeout, int | float):
            connection.settimeout(self.timeout)
        connection.connect(os.environ["COLLABORATORY_SOCKET"])
        return connection


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class PortalAdapter(HTTPAdapter):
    """HTTP over the portal's socket, whatever proxies are set. Each request has a connection of its own.

    A Lab has eight, and one that nobody uses is closed soon: a request that changes something must not meet its end.
    """

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool}

    def send(self, request: Any, *given: Any, **named: Any) -> Any:
        request.headers["Connection"] = "close"
        return super().send(request, *given, **named | {"proxies": {}})
