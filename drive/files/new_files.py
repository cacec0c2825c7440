"""New files: kinds, names and first content."""

import json
import secrets
from pathlib import PurePosixPath

KINDS = {"text": ".txt", "markdown": ".md", "notebook": ".ipynb"}
"""Kinds of files that a page creates, with the extension that is added if the name has none that fits."""
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


UNTITLED = {"folder": "New folder", "text": "Untitled.txt", "markdown": "Untitled.md", "notebook": "Untitled.ipynb"}
"""Names of new entries that were given none."""


def kind_by(name: str) -> str:
    """The kind of a new entry that was only given a name: by its extension, a folder without one."""
    ending = PurePosixPath(name).suffix.lower()
    return next((kind for kind, own in KINDS.items() if own == ending), "text" if ending else "folder")


def name_of(kind: str, name: str) -> str:
    """The name with the ending of its kind; a text file may have any ending (`.py`, say)."""
    ending = KINDS[kind]
    there = PurePosixPath(name).suffix
    return name if not name or there.lower() == ending or (kind == "text" and there) else f"{name}{ending}"


def content(kind: str, name: str) -> bytes:
    """The first bytes of a new file."""
    match kind:
        case "markdown":
            return f"# {PurePosixPath(name).stem}\n".encode(errors="replace")
        case "notebook":
            return notebook()
    return b""


def notebook() -> bytes:
    """A notebook with one empty cell: nbformat 4.5, whose cells have ids."""
    cell: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "id": secrets.token_hex(4),
        "metadata": {},
        "outputs": [],
        "source": [],
    }
    metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    data = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data, indent=1).encode() + b"\n"
