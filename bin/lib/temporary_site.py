"""Temporary sites for tests and benchmarks: settings, port, database."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import control_groups
from installation import Installation

SETTINGS = [
    "PORT",
    "PORTAL_URL",
    "LAB_DOMAIN",
    "LISTEN",
    "LISTEN_HTTP",
    "TLS_CERTIFICATE",
    "DEBUG",
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "DRIVE_ROOT",
]
SETTINGS += [
    "LAB_ROOT",
    "LAB_STATIC_FILES",
    "LAB_NETWORK",
    "LAB_BUILD_NETWORK",
    "LAB_NETWORK_ALLOWED",
    "LAB_NETWORK_REFUSED",
    "LAB_LAUNCHER",
    "LAB_IDLE_LIMIT",
    "LAB_MAX_AGE",
    "SITE_NAME",
    "TIME_ZONE",
]
SETTINGS += [f"LAB_{name}_LIMIT" for name in ("MEMORY", "CPU", "PROCESS", "DISK")]
SETTINGS += ["LAB_CGROUP", "BACKGROUND_GROUP"]
SETTINGS += ["LAB_MAX_SERVERS", "LAB_HUB_URL", "LAB_HUB_API", "LAB_HUB_TOKEN", "LAB_HUB_SECRET"]
SETTINGS += ["COLLABORATORY_RUN", "COLLABORATORY_VAR"]
"""Variables of the person's own site that must not reach a temporary one."""
SHORT_AND_LONG = {"LAB_RECONCILE_SECONDS": "3", "LAB_SAVE_WAIT_SECONDS": "20", "SEARCH_SECONDS": "3"}
"""Of running sites: four at a time are slow, and tests wait for what is done at intervals."""
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made in there is made as safely as in /tmp


def forget_settings() -> None:
    """Remove the settings of the person's own site from the process environment."""
    for name in SETTINGS:
        os.environ.pop(name, None)


def free_port() -> int:
    """Free port for a site that listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(installation: Installation, directory: Path, port: int) -> dict[str, str]:
    """Settings of a temporary site in `directory`, with the installation's virtual environments."""
    site, group = Installation(installation.code), f"{control_groups.of_labs(installation.var)}/{directory.name}"
    site.var, site.venv = directory, installation.venv
    return site.settings(port) | {
        "COLLABORATORY_TEST_SITE": "1",
        "LAB_CGROUP": group,
        "BACKGROUND_GROUP": control_groups.of_background(control_groups.name_of(installation.var)),
        "LAB_GIT_PRIVATE_HOSTS": "127.0.0.1",
        "LAB_CONDA_FILES": tempfile.gettempdir(),
        # playwright keeps an event loop in the thread of the tests, which use the database from there.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": f"sqlite:///{directory}/portal.sqlite3",
        "LAB_BASE_ENVIRONMENT": str(installation.var / "lab/environments/base"),
        "LAB_STATIC_FILES": str(installation.var / "lab/static/files"),  # named by content, and packed once
        "PREVIEW_ENVIRONMENT": str(installation.var / "preview"),
        "EMAIL_URL": f"filemail:///{directory}/mail",  # a slash more: environ drops one
    }


def site_settings(installation: Installation, directories: list[Path]) -> dict[str, str]:
    """A running site in each directory, for one process of tests each: tests/support/site_per_process.py reads it."""
    sites = [
        settings(installation, directory, free_port()) | provider_settings() | SHORT_AND_LONG
        for directory in directories
    ]
    return {"TEST_SITES": json.dumps(sites)}


def bytecode_settings(installation: Installation) -> dict[str, str]:
    """A place for compiled modules: beside the code of somebody else's checkout nothing can be written.

    Tests with a running site start hundreds of Python processes, each of which would compile the portal.
    """
    return {"PYTHONPYCACHEPREFIX": str(installation.var / "pycache"), "PYTHONDONTWRITEBYTECODE": ""}


def unit_settings(installation: Installation) -> dict[str, str]:
    """A cache that unit tests keep for the next run, and a place in memory for their files."""
    return {
        "TMPDIR": _quick_place(),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(installation.var / "hypothesis"),
    }


def _quick_place() -> str:
    """Directory for many small files: in memory, where there is enough of it."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= 2 * 2**30
    return str(MEMORY) if has_room else tempfile.gettempdir()


def provider_settings() -> dict[str, str]:
    """Settings of an OpenID Connect provider that a test starts on a free port."""
    name = "Institute for the Neurobiology of Learning and Memory"  # as long as they are
    values = {"NAME": name, "ISSUER": f"http://localhost:{free_port()}", "CLIENT_ID": "us", "CLIENT_SECRET": "s"}
    return {"OIDC_PROVIDERS": "institute"} | {f"OIDC_INSTITUTE_{name}": value for name, value in values.items()}


POSTGRES_OPTIONS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0".split()
    + "-c max_wal_size=4GB -c checkpoint_timeout=1h -c shared_buffers=256MB -c autovacuum=off -c jit=off".split()
)
"""Nothing is to outlive the tests, whose tables are small: no order of writing, no log for others, no tidying up."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Temporary PostgreSQL server; yields its DATABASE_URL."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    directory = tempfile.mkdtemp(prefix="pg-", dir=_quick_place())
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    control = [str(programs / "pg_ctl"), "--pgdata", f"{directory}/data", "--wait"]
    try:
        initdb = [str(programs / "initdb"), "--auth=trust", "--username=test", "--no-sync", "--encoding=UTF8"]
        subprocess.run([*initdb, "--pgdata", f"{directory}/data"], **quiet)  # type: ignore[call-overload]
        options = f"-c listen_addresses='' -c unix_socket_directories={directory} {' '.join(POSTGRES_OPTIONS)}"
        log = ["--log", f"{directory}/log", "--options", options]
        subprocess.run([*control, *log, "start"], **quiet)  # type: ignore[call-overload]
        yield f"postgres://test@/postgres?host={directory}"
    finally:
        subprocess.run([*control, "--mode=immediate", "stop"], stdout=subprocess.DEVNULL, cwd="/")
        shutil.rmtree(directory, ignore_errors=True)
