"""The client of the EBRAINS Drive, if somebody has installed it; else an error that says what to use here instead.

This directory comes before installed packages (PYTHONPATH), so it must not stand in the way of the real one.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

INSTEAD = (
    "ebrains_drive, the client of the EBRAINS Drive, is not installed, and this site's Drive speaks another protocol."
    " The files are here as they are: ~/drive has all libraries, and ~/drive/Shared with groups/<title> those of your"
    " Collabs. From elsewhere there is the API: from collaboratory import api; help(api)."
)

_here = str(Path(__file__).parent)
_installed = PathFinder.find_spec(__name__, [path for path in sys.path if path != _here])
if _installed is None or _installed.loader is None:
    raise ModuleNotFoundError(INSTEAD, name=__name__)
_real = sys.modules[__name__] = module_from_spec(_installed)
_installed.loader.exec_module(_real)
