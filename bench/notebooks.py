"""Opening a notebook's page, and comparing two versions of one, through the real site; beside the libraries alone.

`bin/bench notebooks` makes notebooks of 200 KB with texts, formulas, code, tables and plots. The libraries' time is
that of a Python process that reads the same file with nbformat, or the same two and says what differs with nbdime.
"""

import base64
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from bench.common import compare, person, running_site
from bench.previews import alone, opened
from drive.files import operations
from drive.libraries import services
from drive.models import Library, Version
from drive.storage import layout
from tests.support.people import Person

RUNS = 5
CELLS = 60
SIZE = 160_000
"""Bytes of all pictures, about; of the notebook some 200,000."""
PICTURES = 8
OTHER = "nbdime"
NAME = "analysis.ipynb"
CHANGED = 10
"""Cells whose code and outputs differ between two versions."""
READ = "import nbformat; nbformat.read(path, as_version=4)"
DIFFER = (
    "import nbformat, nbdime; one, two = (nbformat.read(p, as_version=4) for p in (path, 'older.ipynb')); "
    "nbdime.diff_notebooks(two, one)"
)


def main() -> None:
    """Both, one after another."""
    with running_site(), tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as made:
        python = _with_nbdime(Path(made))
        ada = person("ada")
        library = services.create_library(ada.user, "Notebooks")
        file, older = Path(made, NAME), Path(made, "older.ipynb")
        ours, theirs, compared, differing = [], [], [], []
        for run in range(RUNS):
            for target, changes in ((older, 2 * run), (file, 2 * run + 1)):
                target.write_bytes(notebook(changes))
                operations.write(ada.user, library, NAME, target.read_bytes())
            compared.append(side_by_side(ada, library))
            differing.append(alone(python, DIFFER, file))
            ours.append(opened(ada, library, in_library(library)))
            theirs.append(alone(python, READ, file))
        print(f"{file.stat().st_size} bytes, {CELLS} cells, {PICTURES} pictures; {CHANGED} cells differ")
        compare("a notebook opened", ours, "nbformat alone", theirs, "s")
        compare("two versions compared", compared, f"{OTHER} alone", differing, "s")


def _with_nbdime(folder: Path) -> Path:
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin/pip", "install", "-q", OTHER], check=True)
    return environment / "bin/python"


def in_library(library: Library) -> Path:
    """The notebook as it lies in the library."""
    return layout.find(library.pk) / NAME


def side_by_side(someone: Person, library: Library) -> float:
    """Seconds from the request of the page that compares until the comparison itself has been received."""
    older = Version.objects.filter(file__library=library).order_by("-pk")[1]
    address = f"/drive/{library.pk}/{NAME}"
    began = time.perf_counter()
    page = someone.get(f"{address}?show=compare&a={older.pk}").text
    if "show=compared" not in page:
        raise SystemExit(page)
    someone.get(f"{address}?show=compared&a={older.pk}").raise_for_status()
    return time.perf_counter() - began


def notebook(version: int) -> bytes:
    """A notebook, of which every version has other texts in some cells and other pictures below them."""
    cells = [cell(number, version if number % (CELLS // CHANGED) == 0 else 0) for number in range(CELLS)]
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": python}, "cells": cells}
    return json.dumps(made, indent=1).encode()


def cell(number: int, version: int) -> dict[str, Any]:
    """Text with a formula, or code with an output: a picture, a table, or lines."""
    shared: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}}
    if number % 3 == 1:
        source = f"## Part {number}\n\nThe mean $\\bar x_{{{number}}} = \\frac{{1}}{{n}}\\sum_i x_i$ of *all* samples."
        return shared | {"cell_type": "markdown", "source": source}
    code = "\n".join(f"value_{line} = measure({number}, {line}, gain={version})" for line in range(12))
    data: dict[str, str] = {"text/plain": "\n".join(f"{line:4} {line * version}" for line in range(20))}
    if number % (CELLS // PICTURES) == 0:
        noise = random.Random(1000 * number + version).randbytes(SIZE // PICTURES)
        data["image/png"] = base64.b64encode(noise).decode()
    elif number % 3 == 2:
        rows = "".join(f"<tr><td>{row}</td><td>{row * (version + 1)}</td></tr>" for row in range(15))
        data["text/html"] = f"<table>{rows}</table>"
    output = {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data}
    return shared | {"cell_type": "code", "execution_count": number, "source": code, "outputs": [output]}


if __name__ == "__main__":
    main()
