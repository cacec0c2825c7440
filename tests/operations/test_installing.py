"""Commands of bin/ in a fresh checkout: they say what is missing, and change nothing that they need not."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.site import CODE

sys.path.insert(0, str(CODE / "bin/lib"))

import machine
import offline


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the commands need of a checkout."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in ("bin", "lab/supervisor", "portal/ops", "portal/sandboxing", "portal/web", "drive/preview", "deploy"):
        shutil.copytree(CODE / name, made / name, ignore=shutil.ignore_patterns("__pycache__", "tests", "inside"))
    for name in ("manage.py", "lab/__init__.py", "portal/__init__.py", "portal/file_lock.py", "Procfile"):
        shutil.copy(CODE / name, made / name)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-ldap.txt", "requirements-saml.txt"):
        shutil.copy(CODE / name, made / name)
    return made


def run(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command there, with nothing of the site of these tests."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    command = [sys.executable, f"bin/{words[0]}", *words[1:]]
    known = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **kept, **environment}
    return subprocess.run(command, cwd=checkout, env=known, capture_output=True, text=True)


def content(place: Path) -> dict[str, int]:
    """All that is there, with when it was changed."""
    return {str(path.relative_to(place)): path.lstat().st_mtime_ns for path in [place, *place.rglob("*")]}


@pytest.mark.parametrize("words", [["help"], ["--help"], [], ["people", "list"], ["migrate"]])
def test_manage_installs_nothing(checkout: Path, words: list[str]) -> None:
    before = content(checkout)
    done = run(checkout, "manage", *words)
    assert done.returncode == 1
    assert "bin/up" in done.stderr
    assert "Traceback" not in done.stderr
    assert content(checkout) == before


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_neither_does_a_backup_of_a_site_that_is_not_there(checkout: Path, name: str) -> None:
    before = content(checkout)
    done = run(checkout, name, "/nowhere", "--for", "ada")
    assert (done.returncode, "bin/up --prepare" in done.stderr) == (1, True)
    assert content(checkout) == before


@pytest.mark.parametrize("character", [" ", "'", '"', "$", ";", "{", ":", "\\", "#", "\n"])
@pytest.mark.parametrize("where", ["code", "var"])
def test_a_path_that_the_site_cannot_run_in_is_refused_at_once(checkout: Path, character: str, where: str) -> None:
    odd = checkout.parent / f"a{character}b"
    if where == "code":
        checkout = checkout.rename(odd)
    before = content(checkout.parent)
    done = run(checkout, "up", **({"COLLABORATORY_VAR": str(odd)} if where == "var" else {}))
    assert done.returncode == 1
    assert f"has the character “{character}”" in done.stderr
    assert content(checkout.parent) == before


def test_letters_of_any_language_are_no_reason(checkout: Path) -> None:
    place = checkout.parent / "Größe-é+1@x,y=z~"
    done = run(checkout.rename(place), "up", PORT="x")
    assert "has the character" not in done.stderr


def test_a_directory_that_cannot_be_written_is_a_sentence(checkout: Path) -> None:
    checkout.chmod(0o555)
    try:
        done = run(checkout, "up")
    finally:
        checkout.chmod(0o755)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{checkout}/var, for the site's data, cannot be made" in done.stderr
    assert "COLLABORATORY_VAR=/srv/collaboratory bin/up" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "80000", "-1", "http", "８０００", ""])
def test_a_port_that_is_none_is_a_sentence(checkout: Path, port: str) -> None:
    done = run(checkout, "up", PORT=port)
    assert (done.returncode, "PORT must be a number from 1 to 65535" in done.stderr) == (1, True)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def test_a_word_that_is_none_of_its_options_starts_nothing(checkout: Path) -> None:
    before = content(checkout)
    done = run(checkout, "up", "--chek")
    assert (done.returncode, "unrecognized arguments: --chek" in done.stderr) == (2, True)
    assert content(checkout) == before


# bin/up --check


def test_check_says_what_would_be_done_and_changes_nothing(checkout: Path) -> None:
    (checkout / "lab/environments/pins").mkdir(parents=True)
    before = content(checkout)
    done = run(checkout, "up", "--check", LAB_LAUNCHER="unisolated", PORT="1")
    assert "Traceback" not in done.stderr
    for line in ("✓ Python: ", f"→ make {checkout}/var", "→ install the portal's packages", "→ make the database"):
        assert line in done.stdout
    assert content(checkout) == before


def test_check_ends_with_1_where_something_is_missing(checkout: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    done = run(checkout, "up", "--check", LAB_LAUNCHER="unisolated", PORT=str(port))
    assert done.returncode == 1
    assert f"✗ port {port} cannot be used" in done.stdout
    assert "bin/up would stop there" in done.stdout
    (checkout / "var").write_text("")
    checkout.chmod(0o555)
    done = run(checkout, "up", "--check", LAB_LAUNCHER="unisolated", COLLABORATORY_VAR=f"{checkout}/other")
    checkout.chmod(0o755)
    assert f"✗ {checkout}/other, for the site's data, cannot be made" in done.stdout
    spaced = run(checkout, "up", "--check", COLLABORATORY_VAR="/a b")
    assert (spaced.returncode, "✗ The path /a b has the character" in spaced.stdout) == (1, True)


@pytest.mark.parametrize(
    ("setting", "value", "what", "wheel"),
    [
        ("LDAP_URL", "ldaps://ldap.example.org", "what signs in with an LDAP directory", "python_ldap-3.4.8-x.whl"),
        ("SAML_PROVIDERS", "institute", "what signs in with SAML", "python3_saml-1.16.0-x.whl"),
    ],
)
def test_check_knows_what_sign_in_elsewhere_needs(
    checkout: Path, tmp_path: Path, setting: str, value: str, what: str, wheel: str
) -> None:
    (checkout / "lab/environments/pins").mkdir(parents=True)
    asked = {"LAB_LAUNCHER": "unisolated", "PORT": "1"}
    line = f"→ install {what}"
    assert line not in run(checkout, "up", "--check", **asked).stdout
    asked[setting] = value
    assert line in run(checkout, "up", "--check", **asked).stdout
    place = tmp_path / "from"
    (place / "wheels").mkdir(parents=True)
    (place / "about.json").write_text(json.dumps(offline.kind_of_machine(machine.find_python())))
    done = run(checkout, "up", "--check", "--from", str(place), **asked)
    assert (done.returncode, f"✗ {place} has nothing of {what}" in done.stdout) == (1, True)
    (place / "wheels" / wheel).touch()
    assert line in run(checkout, "up", "--check", "--from", str(place), **asked).stdout


def test_two_checks_do_not_take_each_other_for_the_site(checkout: Path) -> None:
    (checkout / "lab/environments/pins").mkdir(parents=True)
    asked = {"LAB_LAUNCHER": "unisolated", "PORT": "1"}
    with tempfile.TemporaryDirectory(prefix="c-") as var, Path(var, "up.lock").open("w") as lock:
        Path(var, "run").symlink_to(var)
        asked["COLLABORATORY_VAR"] = var
        fcntl.flock(lock, fcntl.LOCK_SH)  # as another --check
        assert "the site is running" not in run(checkout, "up", "--check", **asked).stdout
        fcntl.flock(lock, fcntl.LOCK_EX)  # as bin/up
        assert "✓ the site is running" in run(checkout, "up", "--check", **asked).stdout


# A machine without a network

OFFLINE = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c"]
INSTALL = """
import pathlib, sys
sys.path.insert(0, "bin/lib")
import installation
place, requirements, source = map(pathlib.Path, sys.argv[1:])
installation.make_environment(place, sys.executable, requirements, "it", source=source)
"""
ADD_EXTRA = """
import pathlib, sys
sys.path.insert(0, "bin/lib")
import extras, installation
site = installation.Installation(pathlib.Path.cwd())
site.var, site.source = map(pathlib.Path, sys.argv[1:])
site.venv = site.var / "venv"
[extra] = [one for one in extras.ALL if one.setting == "LDAP_URL"]
site.add_extra(extra, sys.executable)
"""
APT = """
import pathlib, subprocess, sys
sys.path.insert(0, "bin/lib")
import machine
with machine._package_lists(pathlib.Path(sys.argv[1])) as options:
    subprocess.run(["apt-get", *options, "update", "-qq"], check=True)
    subprocess.run(["apt-get", *options, "install", "-qq", "--simulate", "--reinstall", "bubblewrap"], check=True)
"""


@pytest.mark.slow
def test_an_environment_is_made_without_a_network(tmp_path: Path) -> None:
    requirements, wheels, place = tmp_path / "requirements.txt", tmp_path / "from/wheels", tmp_path / "made"
    [line] = [line for line in (CODE / "requirements.txt").read_text().splitlines() if line.startswith("sqlparse==")]
    requirements.write_text(f"{line}\n")
    wheels.mkdir(parents=True)
    offline.download_wheels(machine.find_python(), wheels, ["-r", str(requirements), *offline.TOOLS])
    words = [str(place), str(requirements), str(tmp_path / "from")]
    subprocess.run([*OFFLINE, INSTALL, *words], cwd=CODE, check=True)
    subprocess.run([place / "bin/python", "-c", "import sqlparse"], cwd="/", check=True)
    (tmp_path / "nothing/wheels").mkdir(parents=True)
    done = subprocess.run(
        [*OFFLINE, INSTALL, *words[:2], str(tmp_path / "nothing")], cwd=CODE, capture_output=True, text=True
    )
    assert (done.returncode, "This failed: " in done.stderr) == (1, True)


@pytest.mark.slow
def test_what_signs_in_with_a_directory_is_installed_without_a_network(tmp_path: Path) -> None:
    """It is compiled where there is one."""
    wheels, venv = tmp_path / "from/wheels", tmp_path / "var/venv"
    wheels.mkdir(parents=True)
    offline.download_wheels(machine.find_python(), wheels, ["-r", str(CODE / "requirements-ldap.txt")])
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    words = [str(tmp_path / "var"), str(tmp_path / "from")]
    subprocess.run([*OFFLINE, ADD_EXTRA, *words], cwd=CODE, check=True)
    subprocess.run([venv / "bin/python", "-c", "import ldap"], cwd="/", check=True)


@pytest.mark.slow
def test_debian_packages_come_from_the_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "debs").mkdir()
    offline.download_packages(tmp_path / "debs", ["bubblewrap"])
    names = {path.name.partition("_")[0] for path in (tmp_path / "debs").glob("*.deb")}
    assert {"bubblewrap", "libc6", "libcap2"} <= names  # as if nothing was installed
    done = subprocess.run([*OFFLINE, APT, str(tmp_path)], cwd=CODE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Inst bubblewrap" in done.stdout


def test_what_is_for_another_kind_of_machine_is_refused(checkout: Path, tmp_path: Path) -> None:
    place = tmp_path / "from"
    place.mkdir()
    before = content(checkout)
    done = run(checkout, "up", "--from", str(place))
    assert "was not made by bin/up --download" in done.stderr
    kind = offline.kind_of_machine(machine.find_python())
    for name, other in (("distribution", "debian 9"), ("architecture", "riscv64"), ("python", "3.10")):
        (place / "about.json").write_text(json.dumps(kind | {name: other}))
        done = run(checkout, "up", "--from", "../from", "--prepare")
        assert done.returncode == 1
        assert "is for a machine with" in done.stderr
        assert other in done.stderr
    assert content(checkout) == before


SUGGEST = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("up", "bin/up")
up = importlib.util.module_from_spec(importlib.util.spec_from_loader("up", loader))
loader.exec_module(up)
up.check_port({"PORT": sys.argv[1]})
"""


@pytest.mark.parametrize("taken", ["listener", "65535", "80"])
def test_the_port_that_is_suggested_can_be_used(listener: socket.socket, taken: str) -> None:
    port = str(listener.getsockname()[1]) if taken == "listener" else taken
    with socket.socket() as last:
        if taken == "65535":
            last.bind(("127.0.0.1", 65535))
            last.listen()
        done = subprocess.run([sys.executable, "-c", SUGGEST, port], cwd=CODE, capture_output=True, text=True)
        if taken == "80" and done.returncode == 0:
            return  # this machine lets everybody listen there
        assert done.returncode == 1, done.stderr
        suggested = int(done.stderr.partition("PORT=")[2].split()[0])
        assert 1024 <= suggested <= 65535
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", suggested))
