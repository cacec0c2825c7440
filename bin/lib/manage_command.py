"""A management command with the site's settings, as the site's account."""

import os
import sys
from typing import NoReturn

from installation import settle_in


def run(*command: str, make: bool) -> NoReturn:
    """Become `manage.py <command>` with the words of our own command line; `make` the environment if it is missing.

    Not while the site runs from it: after an update of the code it would be made anew under its feet.
    """
    place, python = settle_in({})
    if make or not (place.venv / "bin/python").exists():
        place.make_environments(python, lab=False)
    environment = place.settings(int(os.environ.get("PORT", "8000")))
    interpreter = str(place.venv / "bin/python")
    os.execve(interpreter, [interpreter, str(place.code / "manage.py"), *command, *sys.argv[1:]], environment)
