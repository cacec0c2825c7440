"""A real JupyterHub to compare with: its simple local spawner, and configurable-http-proxy in front of it.

Single-user servers are JupyterLab of the Lab's base environment, so that both sides run the same.
"""

import json
import os
import secrets
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.hub import end, free_port, installed, single_user
from tests.site import wait_for

from .common import START_SECONDS, Client

SERVICE = "bench"
CONFIG = """
c = get_config()
given = {given!r}
c.JupyterHub.bind_url = given["url"]
c.JupyterHub.hub_bind_url = given["hub_url"]
c.JupyterHub.db_url = f"sqlite:///{{given['directory']}}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{{given['directory']}}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.concurrent_spawn_limit = 0
c.ConfigurableHTTPProxy.command = given["proxy"]
c.ConfigurableHTTPProxy.api_url = given["proxy_url"]
c.ConfigurableHTTPProxy.pid_file = f"{{given['directory']}}/proxy.pid"
c.SimpleLocalProcessSpawner.home_dir_template = given["directory"] + "/{{username}}"
c.Spawner.cmd = given["singleuser"]
c.Spawner.http_timeout = c.Spawner.start_timeout = 300
c.JupyterHub.services = [{{"name": "bench", "api_token": given["token"]}}]
scopes = ["admin:users", "admin:servers", "access:servers", "admin:server_state"]
c.JupyterHub.load_roles = [{{"name": "bench", "scopes": scopes, "services": ["bench"]}}]
"""


class Hub:
    """A running Hub with its proxy."""

    def __init__(self) -> None:
        """Start both; does not wait."""
        place, ports = installed(), [free_port() for _ in range(3)]
        self.directory = tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True)
        self.token = secrets.token_hex(16)
        self.port = ports[0]
        self.url = f"http://127.0.0.1:{ports[0]}"
        given = {
            "url": self.url,
            "hub_url": f"http://127.0.0.1:{ports[1]}",
            "proxy_url": f"http://127.0.0.1:{ports[2]}",
            "directory": self.directory.name,
            "token": self.token,
            "proxy": [str(place / "node_modules/.bin/configurable-http-proxy")],
            "singleuser": single_user(place),
        }
        config = Path(self.directory.name, "jupyterhub_config.py")
        config.write_text(CONFIG.format(given=given))
        self.log = Path(self.directory.name, "log")
        environment = {"PATH": f"{place}/bin:{os.environ['PATH']}", "HOME": self.directory.name, "LANG": "C.UTF-8"}
        with self.log.open("wb") as log:
            command = [str(place / "bin/jupyterhub"), "-f", str(config)]
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self.directory.name, start_new_session=True
            )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    def wait(self) -> "Hub":
        """Until Hub and proxy answer."""
        wait_for(self._answers, 90, "the Hub did not start")
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text(errors="replace")[-3000:])
        try:
            return requests.get(f"{self.url}/hub/api/", timeout=5).ok
        except requests.RequestException:
            return False

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        """The Hub's REST API (jupyterhub.readthedocs.io, "REST API")."""
        data = None if body is None else json.dumps(body)
        return requests.request(method, f"{self.url}/hub/api{path}", data=data, headers=self.headers, timeout=300)

    def add(self, *names: str) -> None:
        """Users, each with a home directory."""
        for name in names:
            Path(self.directory.name, name).mkdir()
        self.ask("POST", "/users", {"usernames": list(names)}).raise_for_status()

    def click(self, name: str) -> float:
        """Seconds from the order of a server to the first answer of Jupyter through the proxy."""
        began = time.perf_counter()
        self.ask("POST", f"/users/{name}/server").raise_for_status()
        client = self.client()
        while client.get(f"/user/{name}/api/status") != 200:
            if time.perf_counter() - began > START_SECONDS:
                raise SystemExit(self.log.read_text(errors="replace")[-3000:])
            time.sleep(0.01)
        client.close()
        return time.perf_counter() - began

    def client(self) -> Client:
        """A kept connection to the proxy."""
        return Client(("127.0.0.1", self.port), f"127.0.0.1:{self.port}", self.headers)

    def leave(self, *names: str) -> None:
        """Stop servers and wait until they are gone."""
        for name in names:
            self.ask("DELETE", f"/users/{name}/server").raise_for_status()
        for name in names:
            gone = lambda name=name: not self.ask("GET", f"/users/{name}").json()["servers"]  # noqa: E731
            wait_for(gone, 120, "a server of the Hub did not stop")

    def click_all(self, names: list[str]) -> None:
        """Everybody at the same moment; returns when all have had an answer."""
        with ThreadPoolExecutor(len(names)) as threads:
            list(threads.map(self.click, names))

    def pid_of(self, name: str) -> int:
        """The process of somebody's server."""
        server = self.ask("GET", f"/users/{name}").json()["servers"][""]
        return int(server["state"]["pid"])

    def stop(self) -> None:
        """End it with all that it started."""
        end(self.process)
        self.directory.cleanup()
