"""The units of deploy/systemd: right by systemd's own word; and their programs, started as the units say, are a site
that people reach over TLS."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings

from ..support.site import CODE, wait_for

sys.path.insert(0, str(CODE / "bin/lib"))

import control_groups
from machine import PATH
from temporary_site import free_port

pytestmark = pytest.mark.sandbox
UNITS = CODE / "deploy/systemd"
PROCESSES = tuple("broker supervisor web worker files launcher relay api-relay rooms webdav proxy".split())
CODE_IN_UNITS, VAR_IN_UNITS = "/opt/collaboratory", "/var/lib/collaboratory/var"


def settings_of(unit: str) -> dict[str, str]:
    """A unit's lines with those of the drop-in for all, the last one of a name."""
    text = (UNITS / "collaboratory-.service.d/common.conf").read_text() + (UNITS / unit).read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def variables_of(unit: str) -> dict[str, str]:
    """What a unit and the drop-in for all set in the environment."""
    text = (UNITS / "collaboratory-.service.d/common.conf").read_text() + (UNITS / unit).read_text()
    return dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))


def test_the_target_stops_and_restarts_all_but_the_groups_of_labs() -> None:
    part = {path.stem for path in UNITS.glob("*.service") if "PartOf=collaboratory.target" in path.read_text()}
    assert {path.stem for path in UNITS.glob("*.service")} - part == {"collaboratory-labs"}


def test_the_supervisor_alone_writes_groups_and_finds_those_of_the_unit() -> None:
    common = (UNITS / "collaboratory-.service.d/common.conf").read_text()
    assert "\nProtectControlGroups=yes\n" in common
    writes = [
        path.parent.name
        for path in UNITS.rglob("*")
        if path.is_file() and "ProtectControlGroups=no" in path.read_text()
    ]
    assert writes == ["collaboratory-supervisor.service.d"]
    [slice_name] = re.findall(r"^Slice=(.*)$", common, re.MULTILINE)
    group = f"{slice_name}/collaboratory-labs.service/labs"
    assert f"\nEnvironment=LAB_CGROUP={group}\n" in (UNITS / "collaboratory-supervisor.service").read_text()


def test_root_gives_the_account_the_units_groups_and_one_file_of_the_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "site.slice/labs.service"
    for place in (tmp_path, tmp_path / "site.slice", tmp_path / name):
        place.mkdir(parents=True, exist_ok=True)
        for file in ("cgroup.controllers", "cgroup.procs", "cgroup.subtree_control", "memory.max"):
            (place / file).touch()
    given = set()
    monkeypatch.setattr(os, "chown", lambda path, *owner: given.add((str(path.relative_to(tmp_path)), owner)))
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)
    monkeypatch.setattr(control_groups, "_path_of", lambda process: name)
    control_groups.give_unit(os.getpid())
    files = ["", "/labs", "/sleep", "/cgroup.procs", "/cgroup.subtree_control"]
    wanted = ["site.slice/cgroup.procs", *(f"{name}{file}" for file in files)]
    assert given == {(path, (os.getuid(), os.getgid())) for path in wanted}
    assert (tmp_path / name / "sleep/cgroup.procs").read_text() == str(os.getpid())


def test_it_has_a_unit_for_each_process_and_no_other() -> None:
    of_procfile = {line.partition(":")[0] for line in (CODE / "Procfile").read_text().splitlines()}
    assert of_procfile == set(PROCESSES)
    text = (UNITS / "collaboratory.target").read_text()
    wanted = {f"collaboratory-{name}" for name in re.findall(r"collaboratory-([\w-]+)\.service", text)}
    assert wanted == {f"collaboratory-{name}" for name in PROCESSES}
    for name in PROCESSES:
        assert settings_of(f"collaboratory-{name}.service")["ExecStart"] == f"{CODE_IN_UNITS}/bin/run {name}"


@pytest.fixture
def analyse(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`systemd-analyze`, for the units as they are, with the code where it is here."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd")
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for path in [*units.glob("*.service"), units / "collaboratory-.service.d/common.conf"]:
        path.write_text(path.read_text().replace(CODE_IN_UNITS, str(CODE)))
    environment = {"PATH": PATH, "SYSTEMD_UNIT_PATH": f"{units}:"}

    def run(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["systemd-analyze", verb, "--no-pager", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=units)

    return run


def test_systemd_finds_nothing_wrong_with_the_units(analyse: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    names = sorted(f"./{path.name}" for path in UNITS.iterdir() if path.is_file())
    done = analyse("verify", "--man=no", "--recursive-errors=no", *names)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_are_locked_up_as_far_as_sandboxes_allow(
    analyse: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    boxed = {"web", "worker", "supervisor", "prepare"}
    for path in UNITS.glob("*.service"):
        most = 55 if path.stem.removeprefix("collaboratory-") in boxed else 25
        done = analyse("security", "--offline=yes", f"--threshold={most}", f"./{path.name}")
        assert done.returncode == 0, f"{path.name}: {done.stdout.splitlines()[-1]}"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A short path: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="deploy-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


class Deployed:
    """A site at https://portal.localhost:<port>, whose processes are the units'."""

    def __init__(self, home: Path) -> None:
        self.home, self.var = home, home / "var"
        self.port, self.plain_port = free_port(), free_port()
        self.certificate = home / "tls.pem"
        self.running: list[subprocess.Popen] = []
        self.log = (home / "log").open("ab")

    def prepare(self) -> None:
        """What the page on deployment has an operator do; the environments are bin/test's."""
        (self.var / "lab/environments").mkdir(parents=True)
        (self.var / "venv").symlink_to(sys.prefix)
        (self.var / "preview").symlink_to(settings.PREVIEW_ENVIRONMENT)
        (self.var / "preview-science").symlink_to(f"{settings.PREVIEW_ENVIRONMENT}-science")
        (self.var / "lab/environments/base").symlink_to(settings.LAB_BASE_ENVIRONMENT)
        self._certify()
        lines = {
            "PORTAL_URL": f"https://portal.localhost:{self.port}",
            "LAB_DOMAIN": f"lab.localhost:{self.port}",
            "SECRET_KEY": "deployed-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
            "EMAIL_URL": f"filemail:///{self.home}/mail",
            "LISTEN": f"127.0.0.1:{self.port}",
            "LISTEN_HTTP": f"127.0.0.1:{self.plain_port}",
            "TLS_CERTIFICATE": str(self.certificate),
            "TLS_KEY": str(self.home / "tls.key"),
        }
        (self.var / "settings.env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def _certify(self) -> None:
        names = "subjectAltName=DNS:portal.localhost,DNS:*.lab.localhost"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-addext", names]
        command += ["-subj", "/CN=portal.localhost", "-out", str(self.certificate), "-keyout", f"{self.home}/tls.key"]
        subprocess.run(command, check=True, capture_output=True)

    def start(self, unit: str) -> subprocess.Popen:
        """What systemd would run for a unit, with what it would set, and nothing of ours."""
        lines = settings_of(unit)
        words = shlex.split(lines["ExecStart"].replace(CODE_IN_UNITS, str(CODE)))
        environment = {"PATH": PATH, "HOME": os.environ["HOME"], "USER": "collaboratory", "LANG": "C.UTF-8"}
        for name, value in variables_of(unit).items():
            environment[name] = value.replace(VAR_IN_UNITS, str(self.var))
        output: dict[str, Any] = {"stdout": self.log, "stderr": self.log}
        process = subprocess.Popen(words, cwd="/", env=environment, start_new_session=True, **output)
        self.running.append(process)
        return process

    def stop(self) -> None:
        """In the order in which systemd would."""
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.var / "lab/namespace.pid").read_text()), signal.SIGKILL)
        self.log.close()

    def answers(self) -> bool:
        try:
            return self.get("portal.localhost", "/healthz").status == 200
        except OSError:
            return False

    def get(self, host: str, path: str, **options: str) -> http.client.HTTPResponse:
        return self.ask("GET", host, path, "", options)

    def ask(self, method: str, host: str, path: str, body: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Over TLS, by a client that trusts the site's certificate alone."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30)
        connection.sock = self.connect(host)
        connection.request(method, path, body, {"Host": f"{host}:{self.port}", **headers})
        return connection.getresponse()

    def connect(self, host: str, *protocols: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.certificate))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 30), server_hostname=host)

    def plainly(self, host: str, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=30)
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse()


@pytest.fixture(scope="module")
def deployed(home: Path) -> Iterator[Deployed]:
    site = Deployed(home)
    site.prepare()
    try:
        assert site.start("collaboratory-prepare.service").wait(300) == 0, (home / "log").read_text()
        for name in PROCESSES:
            site.start(f"collaboratory-{name}.service")
        wait_for(site.answers, 60, "the site does not answer over TLS")
        yield site
    finally:
        site.stop()


def test_every_unit_goes_on_running(deployed: Deployed) -> None:
    assert [process.poll() for process in deployed.running] == [0] + [None] * len(PROCESSES)
    supervisor = deployed.var / "run/supervisor.sock"
    wait_for(supervisor.exists, 20, "the supervisor is not ready")


def test_it_speaks_tls_and_http_2(deployed: Deployed) -> None:
    with deployed.connect("portal.localhost", "h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() in ("TLSv1.2", "TLSv1.3")
    with pytest.raises(ssl.SSLError):
        deployed.connect("somebody.example")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("portal.localhost", "/"),
        ("portal.localhost", "/static/css/base.css"),
        ("ada.lab.localhost", "/.collaboratory/x"),
    ],
)
def test_it_says_that_tls_is_for_good(deployed: Deployed, host: str, path: str) -> None:
    found = deployed.get(host, path).headers.get_all("Strict-Transport-Security") or []
    assert len(found) == 1
    assert found[0].startswith("max-age=31536000")


def test_it_sends_those_without_tls_to_our_names_alone(deployed: Deployed) -> None:
    portal = deployed.plainly("portal.localhost", "/collabs/?q=a")
    assert (portal.status, portal.headers["Location"]) == (
        301,
        f"https://portal.localhost:{deployed.port}/collabs/?q=a",
    )
    lab = deployed.plainly("ada.lab.localhost", "/lab")
    assert (lab.status, lab.headers["Location"]) == (301, f"https://ada.lab.localhost:{deployed.port}/lab")
    assert deployed.plainly("evil.example", "/").status == 421
    (deployed.var / "acme/.well-known/acme-challenge").mkdir(parents=True)
    (deployed.var / "acme/.well-known/acme-challenge/token").write_text("proof")
    assert deployed.plainly("portal.localhost", "/.well-known/acme-challenge/token").read() == b"proof"


@pytest.fixture(scope="module")
def session(deployed: Deployed) -> str:
    """The Set-Cookie header of the first operator's sign-in."""
    page = deployed.get("portal.localhost", "/account/login/")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    assert cookie.startswith("__Host-csrf=")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    assert token
    form = {"login": "admin", "password": (deployed.var / "first-password").read_text().strip()}
    headers = {
        "Cookie": cookie,
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"https://portal.localhost:{deployed.port}",
        "Referer": f"https://portal.localhost:{deployed.port}/account/login/",
    }
    body = urlencode(form | {"csrfmiddlewaretoken": token[1]})
    answer = deployed.ask("POST", "portal.localhost", "/account/login/", body, headers)
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    return next(value for value in answer.headers.get_all("Set-Cookie") or [] if value.startswith("__Host-portal="))


def test_the_first_operator_can_sign_in(deployed: Deployed, session: str) -> None:
    assert "; Secure" in session
    assert deployed.get("portal.localhost", "/admin/", Cookie=session.partition(";")[0]).status == 200


def test_bin_up_keeps_away_from_a_site_that_systemd_runs(deployed: Deployed) -> None:
    environment = {"PATH": PATH, "HOME": os.environ["HOME"], "COLLABORATORY_VAR": str(deployed.var)}
    done = subprocess.run([str(CODE / "bin/up")], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "The site is already running" in done.stderr


def test_it_is_backed_up_by_its_unit(deployed: Deployed, tmp_path: Path) -> None:
    lines = settings_of("collaboratory-backup.service")
    program, target, *options = shlex.split(lines["ExecStart"])
    assert target in lines["ReadWritePaths"]
    command = [program.replace(CODE_IN_UNITS, str(CODE)), str(tmp_path / "backups"), *options]
    environment = {"PATH": PATH, "HOME": os.environ["HOME"], "COLLABORATORY_VAR": str(deployed.var)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "backups").glob("2*/backup.json"))) == 1


def test_labs_can_be_ended_while_the_site_is_ending(deployed: Deployed, session: str) -> None:
    """`systemctl stop collaboratory.target` returns before the supervisor has ended. Last: nothing runs afterwards."""

    def page(path: str) -> str:
        return deployed.get("portal.localhost", path, Cookie=session.partition(";")[0]).read().decode()

    page("/lab/open")
    wait_for(lambda: '<span class="badge running">' in page("/lab/"), 60, "the Lab does not start")
    for process in deployed.running:
        process.terminate()
    environment = {"PATH": PATH, "HOME": os.environ["HOME"], "COLLABORATORY_VAR": str(deployed.var)}
    command = [str(CODE / "bin/up"), "--stop-labs"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert (done.returncode, "1 Lab stopped." in done.stdout) == (0, True), done.stderr
    assert not list((deployed.var / "lab/servers").glob("*"))
