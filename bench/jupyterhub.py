"""A real JupyterHub to compare with: its simple local spawner, and configurable-http-proxy in front of it.

Single-user servers are JupyterLab of the Lab's base environment, so that both sides run the same.
"""

import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import requests
from playwright.sync_api import BrowserContext

from tests.support.hub import end, free_port, installed, proxy, single_user
from tests.support.site import wait_for

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
            "proxy": proxy(place),
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
            self.home(name).mkdir()
        self.ask("POST", "/users", {"usernames": list(names)}).raise_for_status()

    def home(self, name: str) -> Path:
        """Where somebody's server works."""
        return Path(self.directory.name, name)

    def sign_in_at(self, context: BrowserContext, name: str) -> None:
        """Be signed in at a browser; none of the Hub's pages comes into its cache."""
        address = f"{self.url}/hub/login"
        context.request.get(address, headers={"Sec-Fetch-Mode": "navigate"})
        [token] = [cookie["value"] for cookie in context.cookies(address) if cookie["name"] == "_xsrf"]
        form: dict[str, str | float | bool] = {"username": name, "password": "", "_xsrf": token}
        answer = context.request.post(address, form=form, max_redirects=0)
        if answer.status != HTTPStatus.FOUND:
            raise SystemExit(f"the Hub's sign-in said {answer.status}")

    def click(self, name: str) -> float:
        """Seconds from the order of a server to the first answer of Jupyter through the proxy."""
        began = time.perf_counter()
        answer = self.ask("POST", f"/users/{name}/server")
        answer.raise_for_status()
        if answer.status_code == HTTPStatus.ACCEPTED:
            self._follow(name)
        with closing(self.client()) as client:
            status = client.get(f"/user/{name}/api/status")
        if status != HTTPStatus.OK:
            raise SystemExit(f"the Hub's proxy said {status}\n{self.log.read_text(errors='replace')[-3000:]}")
        return time.perf_counter() - began

    def _follow(self, name: str) -> None:
        """Until a slow start is over. The Hub says so by itself, as on its own page; being asked would slow it down."""
        address = f"{self.url}/hub/api/users/{name}/server/progress"
        with requests.get(address, headers=self.headers, stream=True, timeout=START_SECONDS) as stream:
            events = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith(b"data: "))
            if not any(event.get("ready") for event in events):
                raise SystemExit(self.log.read_text(errors="replace")[-3000:])

    def new_kernel(self, name: str) -> str:
        """Its id, in somebody's running server."""
        address = f"{self.url}/user/{name}/api/kernels"
        answer = requests.post(address, json={"name": "python3"}, headers=self.headers, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def client(self) -> Client:
        """A kept connection to the proxy."""
        return Client(("127.0.0.1", self.port), f"127.0.0.1:{self.port}", self.headers)

    def leave(self, *names: str) -> None:
        """Stop servers and wait until they are gone."""
        with ThreadPoolExecutor(len(names)) as threads:
            for answer in threads.map(lambda name: self.ask("DELETE", f"/users/{name}/server"), names):
                answer.raise_for_status()
        for name in names:
            gone = lambda name=name: not self.ask("GET", f"/users/{name}").json()["servers"]  # noqa: E731
            wait_for(gone, 120, "a server of the Hub did not stop")

    def crowd(self, names: list[str]) -> float:
        """Everybody at the same moment; seconds until all have had an answer."""
        began = time.perf_counter()
        with ThreadPoolExecutor(len(names)) as threads:
            list(threads.map(self.click, names))
        return time.perf_counter() - began

    def pid_of(self, name: str) -> int:
        """The process of somebody's server."""
        server = self.ask("GET", f"/users/{name}").json()["servers"][""]
        return int(server["state"]["pid"])

    def address_of(self, name: str) -> str:
        """Where somebody's server itself listens; what the Hub told it is in its environment."""
        variables = Path(f"/proc/{self.pid_of(name)}/environ").read_text().split("\0")
        [url] = [
            value for key, _, value in (each.partition("=") for each in variables) if key == "JUPYTERHUB_SERVICE_URL"
        ]
        return url.removesuffix(f"/user/{name}/")

    def stop(self) -> None:
        """End it with all that it started."""
        end(self.process)
        self.directory.cleanup()


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Started, and stopped whatever happens."""
    hub = Hub()
    try:
        yield hub.wait()
    finally:
        hub.stop()
