"""A management command with the site's settings, as the site's account."""

import os
import sys
from typing import NoReturn

from place import settle_in


def run(command: str) -> NoReturn:
    """Become `manage.py <command>` with the words of our own command line."""
    place, python = settle_in({})
    place.make_environments(python, lab=False)
    environment = place.settings(int(os.environ.get("PORT", "8000")))
    interpreter = str(place.venv / "bin/python")
    os.execve(interpreter, [interpreter, str(place.code / "manage.py"), command, *sys.argv[1:]], environment)
