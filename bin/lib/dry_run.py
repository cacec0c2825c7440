"""What bin/up would do here, and what is missing: `bin/up --check`. Nothing is changed, and nothing installed."""

import fcntl
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import nginx
import offline
from installation import Installation, environment_is_made, port_number, site_programs, wanted_extras

NEEDED_GIGABYTES = 5
"""Of a new site: environments, and what comes over the network for them."""
OK, WOULD, MISSING = "✓", "→", "✗"


@dataclass(frozen=True)
class Line:
    """One finding."""

    mark: str
    text: str


def report(installation: Installation, port: int, source: Path | None) -> int:
    """Print the findings; returns 1 where something is missing that a person must provide."""
    lines = []
    try:
        for line in _findings(installation, port, source):
            print(f"{line.mark} {line.text}", flush=True)
            lines.append(line)
    except machine.RequirementError as error:
        lines.append(Line(MISSING, str(error)))
        print(f"{MISSING} {error}")
    missing = sum(line.mark == MISSING for line in lines)
    would = sum(line.mark == WOULD for line in lines)
    things = "1 thing" if would == 1 else f"{would} things"
    says = f"bin/up would do {things}" if would else "bin/up has nothing to do but to start the site"
    print(f"\n{missing} missing: bin/up would stop there." if missing else f"\nNothing is missing; {says}.")
    return min(missing, 1)


def _findings(installation: Installation, port: int, source: Path | None) -> Iterator[Line]:
    installation.check_paths()
    if source:
        offline.check(source)
        yield Line(OK, f"packages from {source}")
    packages = machine.missing_packages(site_programs())
    yield from _packages(packages)
    account = machine.account() if machine.is_root() else None
    if machine.is_root():
        yield Line(OK if account else WOULD, f"{'' if account else 'make '}the account “{machine.ACCOUNT}”")
        if (place := installation.as_it_runs()) is not installation:
            installation = place
            yield Line(WOULD, f"copy the code to {installation.code}, as the account cannot read it here")
    environment = installation.settings(port)
    yield from _data(installation, account)
    if "python3-venv" not in packages:
        python = machine.find_python(account)
        yield Line(OK, f"Python: {python}")
        if source:
            offline.check_python(source, python)
        yield from _environments(installation, python, source)
        yield from _database(installation, environment, account, python)
    if environment.get("LAB_LAUNCHER", "sandbox") == "sandbox":
        yield from _isolation(environment, account, packages)
    yield from _port(installation, environment)


def _packages(missing: list[str]) -> Iterator[Line]:
    if not missing:
        yield Line(OK, "Debian packages")
    elif machine.can_install():
        yield Line(WOULD, f"install Debian packages: {' '.join(missing)}")
    else:
        yield Line(MISSING, machine.advice(missing))


def _data(installation: Installation, account: pwd.struct_passwd | None) -> Iterator[Line]:
    """Where the site's data are, or will be."""
    place = installation.var
    owner = account.pw_uid if account else os.geteuid()
    if not place.exists():
        above = next(path for path in place.parents if path.exists())
        if not machine.is_root() and not os.access(above, os.W_OK | os.X_OK):
            yield Line(MISSING, f"{place}, for the site's data, cannot be made: {above} cannot be written")
            return
        yield Line(WOULD, f"make {place}, for the site's data")
        place = above
    elif place.stat().st_uid != owner and not machine.is_root():
        yield Line(MISSING, f"{place} belongs to another account")
    else:
        yield Line(OK, f"the site's data: {place}")
    free = shutil.disk_usage(place).free / 2**30
    needs = not installation.is_made() and free < NEEDED_GIGABYTES
    yield Line(MISSING if needs else OK, f"{free:.1f} GB free there; a new site takes about {NEEDED_GIGABYTES}")


def _environments(installation: Installation, python: str, source: Path | None) -> Iterator[Line]:
    for name, place, accepted in installation.environments():
        if environment_is_made(place, accepted, python):
            yield Line(OK, name)
        else:
            yield Line(WOULD, f"install {name}" + (", anew" if place.exists() else ""))
    for extra in wanted_extras():
        if installation.has_extra(extra, python):
            yield Line(OK, extra.what)
            continue
        if source:
            offline.check_extra(source, extra)
        yield Line(WOULD, f"install {extra.what}")


def _database(
    installation: Installation, environment: dict[str, str], account: pwd.struct_passwd | None, python: str
) -> Iterator[Line]:
    """What would happen to the database; the site's own packages say it, which must be there."""
    file = installation.var / "portal.sqlite3"
    if "DATABASE_URL" not in environment and not file.exists():
        yield Line(WOULD, f"make the database {file}")
        return
    _, place, accepted = installation.environments()[0]
    if not environment_is_made(place, accepted, python):
        yield Line(WOULD, "bring the database up to date, if this version needs it")
        return
    rights: dict[str, Any] = machine.as_account(account) if account else {}
    rights |= {"cwd": installation.code, "env": environment | {"PYTHONDONTWRITEBYTECODE": "1"}}
    command = [f"{place}/bin/python", "manage.py", "upgrade_plan"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **rights)
    if done.returncode:
        yield Line(MISSING, f"the database: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
        return
    said = json.loads(done.stdout)
    if said["plan"]:
        yield Line(WOULD, "\n  ".join(said["plan"]))
    if said["trouble"]:
        yield Line(MISSING, f"the database: {said['trouble']}")
    elif not said["plan"]:
        yield Line(OK, "the database is up to date")


def _isolation(environment: dict[str, str], account: pwd.struct_passwd | None, packages: list[str]) -> Iterator[Line]:
    if packages or (machine.is_root() and account is None):
        yield Line(WOULD, "try what isolates Labs, once the packages and the account are there")
        return
    missing = list(machine.missing_isolation(network=environment.get("LAB_NETWORK") != "none", account=account))
    yield from (Line(MISSING, f"the Lab: {text}") for text in missing)
    if not missing:
        yield Line(OK, "what isolates Labs")


def _port(installation: Installation, environment: dict[str, str]) -> Iterator[Line]:
    if _is_running(installation):
        yield Line(OK, f"the site is running: {environment['PORTAL_URL']}")
        return
    if "LISTEN" in environment or nginx.has_tls(environment):
        yield Line(OK, f"would listen on {' '.join(nginx.addresses(environment))}")
        return
    port = port_number(environment["PORT"])
    if why := machine.port_trouble(port):
        free = machine.next_free_port(port)
        yield Line(MISSING, f"port {port} cannot be used ({why}). Choose another, such as: PORT={free} bin/up")
    else:
        yield Line(OK, f"port {port}")


def _is_running(installation: Installation) -> bool:
    """True while a bin/up, or a unit of systemd, has its lock."""
    try:
        with (installation.run / "up.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # another --check has it, too
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
