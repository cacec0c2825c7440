"""Files of science's formats for tests of the whole."""

import subprocess
from pathlib import Path

from drive.preview import sandbox

MAKE_SECONDS = 300


def made(folder: Path) -> Path:
    """A folder with all of them (science_files.py), made by the packages that read them."""
    python = sandbox.science_environment() / "bin/python"
    program = Path(__file__).parent / "science_files.py"
    subprocess.run([python, program, folder], check=True, timeout=MAKE_SECONDS)
    return folder
