"""Notebooks for tests."""

import json
from typing import Any

from pycrdt import Doc

from rooms.documents.notebook import Notebook


def code(source: str, cell_id: str = "", **more: Any) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    return cell | ({"id": cell_id} if cell_id else {}) | more


def markdown(source: str, cell_id: str = "", **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source} | ({"id": cell_id} if cell_id else {}) | more


def notebook(*cells: dict[str, Any], minor: int = 5, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": minor}


def as_bytes(content: dict[str, Any], **style: Any) -> bytes:
    """As nbformat writes it, unless told otherwise."""
    layout = {"indent": 1, "sort_keys": True, "ensure_ascii": False} | style
    split = [cell | {"source": cell["source"].splitlines(keepends=True)} for cell in content["cells"]]
    return (json.dumps(content | {"cells": split}, **layout) + "\n").encode()


def shared(data: bytes) -> Notebook:
    """The notebook's file as a shared document."""
    document = Notebook(Doc())
    document.fill(Notebook.parse(data).content)
    return document


def sources(data: bytes) -> list[str]:
    """The sources of the cells in a file."""
    return ["".join(cell["source"]) for cell in json.loads(data)["cells"]]
