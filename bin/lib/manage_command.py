"""A management command with the site's settings, as the site's account."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import machine
from installation import Installation, chosen_port, is_set, set_up_process


def run(*command: str, make: bool, programs: dict[str, str] | None = None) -> NoReturn:
    """Become `manage.py <command>` with the words of our own command line; `make` the environment if it is missing.

    Not while the site runs from it: after an update of the code it would be made anew under its feet. `programs` are
    installed if they are missing (machine.ensure_packages).
    """
    if not make and not is_installed():
        sys.exit("This site is not installed yet. Start it with bin/up, or install it alone: bin/up --prepare")
    installation, python = set_up_process(programs or {})
    if make:
        installation.make_environments(python, lab=False)
    environment = installation.settings(chosen_port())
    interpreter = str(installation.venv / "bin/python")
    os.execve(interpreter, [interpreter, str(installation.code / "manage.py"), *command, *sys.argv[1:]], environment)


def is_installed() -> bool:
    """True if this checkout has a site; nothing is made to find out."""
    return Installation(Path(__file__).resolve().parents[2]).as_it_runs().is_made()


def backup_programs() -> dict[str, str]:
    """Programs for a backup or restore with a restic repository; none without one, or where it cannot be installed.

    The backup in the directory is made without it, too; then the command says what is missing.
    """
    named = is_set("RESTIC_REPOSITORY") or any(word.startswith("--repository") for word in sys.argv)
    return machine.BACKUP_PACKAGES if named and machine.can_install() else {}
