"""A management command with the site's settings, as the site's account."""

import os
import sys
from typing import NoReturn

import machine
from installation import is_set, set_up_process


def run(*command: str, make: bool, programs: dict[str, str] | None = None) -> NoReturn:
    """Become `manage.py <command>` with the words of our own command line; `make` the environment if it is missing.

    Not while the site runs from it: after an update of the code it would be made anew under its feet. `programs` are
    installed if they are missing (machine.ensure_packages).
    """
    installation, python = set_up_process(programs or {})
    if make or not (installation.venv / "bin/python").exists():
        installation.make_environments(python, lab=False)
    environment = installation.settings(int(os.environ.get("PORT", "8000")))
    interpreter = str(installation.venv / "bin/python")
    os.execve(interpreter, [interpreter, str(installation.code / "manage.py"), *command, *sys.argv[1:]], environment)


def backup_programs() -> dict[str, str]:
    """Programs for a backup or restore with a restic repository; none without one, or where it cannot be installed.

    The backup in the directory is made without it, too; then the command says what is missing.
    """
    named = is_set("RESTIC_REPOSITORY") or any(word.startswith("--repository") for word in sys.argv)
    return machine.BACKUP_PACKAGES if named and machine.can_install() else {}
