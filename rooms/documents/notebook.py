"""A notebook as a shared document, in the shape that JupyterLab's pages expect (jupyter_ydoc.YNotebook)."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Doc, Map, Text

from . import notebook_notation, text_edits
from .base import Document, NotRenderableError, Parsed
from .cell_alignment import same_cells
from .notebook_notation import EMPTY_METADATA, Json, NotebookNotation, whole_numbers
from .text_edits import matching_blocks, merge_texts


class Notebook(Document):
    """Cells, metadata and outputs that several people edit. The source of a cell is a shared text."""

    roots = frozenset({"cells", "meta", "state"})

    def __init__(self, doc: Doc) -> None:
        self.doc = doc
        self._shared = YNotebook(doc)
        self.state = self._shared.ystate
        self.cells = self._shared.ycells
        self.meta = self._shared._ymeta

    @staticmethod
    def parse(data: bytes) -> Parsed:
        """Read a notebook of version 4. NotADocumentError."""
        return notebook_notation.parse(data)

    @staticmethod
    def plain_notation() -> NotebookNotation:
        """As nbformat writes it."""
        return NotebookNotation()

    def fill(self, content: Json) -> None:
        """Put a notebook into this empty document."""
        with self.doc.transaction():
            self.meta["nbformat"] = content["nbformat"]
            self.meta["nbformat_minor"] = content["nbformat_minor"]
            self.meta["metadata"] = Map(EMPTY_METADATA | content["metadata"])
            for key in content.keys() - {"cells", "metadata", "nbformat", "nbformat_minor"}:
                self.meta[key] = content[key]
            self.cells.extend([self._shared.create_ycell(cell) for cell in content["cells"]])

    def content(self) -> Json:
        """The notebook. NotRenderableError for a document in which something else than a notebook was put."""
        with self.doc.transaction():
            try:
                return self._content()
            except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
                raise NotRenderableError("The document is no notebook any more.") from error

    def cell_content(self, index: int) -> Json:
        """One cell. Raises what a cell of another shape makes raise."""
        cell = self.cells[index]
        if not isinstance(cell, Map) or not isinstance(cell["source"], Text):
            raise TypeError("no cell")
        value: Json = cell.to_py() or {}
        value.pop("execution_state", None)
        whole_numbers(value)
        if not isinstance(value["id"], str) or not value["id"] or not isinstance(value["metadata"], dict):
            raise TypeError("no cell")
        return _checked_cell(value)

    def adopt(self, parsed: Parsed, old: Json) -> None:
        """Give the cells of a file that was read anew the ids that they have here, where `old` is what was saved."""
        renamed = same_cells(old["cells"], parsed.content["cells"])
        for cell in parsed.content["cells"]:
            cell["id"] = renamed.get(cell["id"], cell["id"])
        notation: NotebookNotation = parsed.notation  # type: ignore[assignment]
        notation.rename(renamed)

    def merge(self, old: Json, new: Json, live: Json) -> Callable[[Document], None]:
        """Change this fork, which holds `old`, into `new`; see `Document.merge`."""
        with self.doc.transaction():
            finish = _CellMerge(self, old["cells"], new["cells"], live["cells"]).run()
            metadata = self.meta["metadata"]
            if isinstance(metadata, Map):
                _change_map(metadata, old["metadata"], EMPTY_METADATA | new["metadata"], live["metadata"])
            for key in ("nbformat", "nbformat_minor"):
                if old[key] != new[key] and old[key] == live[key]:
                    self.meta[key] = new[key]
        return finish

    def find(self, cell_id: str) -> Map | None:
        """The cell of an id."""
        return next((cell for cell in self.cells if cell.get("id") == cell_id), None)

    def new_cell(self, cell: Json) -> Map:
        """A cell to be inserted."""
        return self._shared.create_ycell(cell)

    def set_outputs(self, cell: Map, outputs: list[Json]) -> None:
        """Replace a cell's outputs."""
        self._shared._set_ycell_outputs(cell, outputs)

    def _content(self) -> Json:
        meta: Json = self.meta.to_py() or {}
        whole_numbers(meta)
        if meta["nbformat"] != 4 or not isinstance(meta["nbformat_minor"], int):
            raise ValueError("no version")
        if not isinstance(meta["metadata"], dict):
            raise TypeError("no metadata")
        return meta | {"cells": [self.cell_content(index) for index in range(len(self.cells))]}


class _CellMerge:
    """Changes the cells of a fork from `old` to `new`, with regard to what people have in the room (`live`)."""

    def __init__(self, fork: Notebook, old: list[Json], new: list[Json], live: list[Json]) -> None:
        self.fork = fork
        self.old = {cell["id"]: cell for cell in old}
        self.new = new
        self.live = {cell["id"]: cell for cell in live}
        self.replaced: dict[str, Json] = {}  # cells that were put in anew, in their new content
        self.order = [cell["id"] for cell in old]

    def run(self) -> Callable[[Document], None]:
        """Change the fork; what is returned refers to contents only, and not to the fork."""
        at = 0
        new_ids = [cell["id"] for cell in self.new]
        for tag, a, b, c, d in matching_blocks(self.order, new_ids):
            if tag == "equal":
                for cell in self.new[c:d]:
                    at += self._change(at, cell)
                continue
            at += self._remove(at, self.order[a:b], set(new_ids))
            for cell in self.new[c:d]:
                self.fork.cells.insert(at, self.fork.new_cell(cell))
                if cell["id"] in self.old:
                    self.replaced[cell["id"]] = cell
                at += 1
        return partial(_bring_along, self.replaced, self.old, self.live)

    def _remove(self, at: int, ids: list[str], wanted: set[str]) -> int:
        """Remove cells, but for those that somebody has edited since and that were deleted elsewhere. How many stay."""
        stay = 0
        for cell_id in ids:
            edited = cell_id in self.live and self.live[cell_id] != self.old[cell_id]
            if edited and cell_id not in wanted:
                stay += 1
            else:
                del self.fork.cells[at + stay]
        return stay

    def _change(self, at: int, new: Json) -> int:
        old = self.old[new["id"]]
        if old == new:
            return 1
        if old["cell_type"] != new["cell_type"]:
            self.fork.cells[at] = self.fork.new_cell(new)
            self.replaced[new["id"]] = new
            return 1
        live = self.live.get(new["id"], old)
        cell = self.fork.cells[at]
        text_edits.change(cell["source"], old["source"], new["source"])
        metadata = cell["metadata"]
        if isinstance(metadata, Map):
            _change_map(metadata, old["metadata"], new["metadata"], live["metadata"])
        if old.get("outputs") != new.get("outputs") and live.get("outputs") == old.get("outputs"):
            self.fork.set_outputs(cell, new.get("outputs", []))
        whole = (old.keys() | new.keys()) - {"id", "cell_type", "source", "metadata", "outputs"}
        _change_map(cell, *({key: side[key] for key in whole & side.keys()} for side in (old, new, live)))
        return 1


def _bring_along(replaced: dict[str, Json], old: dict[str, Json], live: dict[str, Json], document: Document) -> None:
    """Bring what people had done to cells that were put in anew to where these are now."""
    assert isinstance(document, Notebook)  # a notebook's merge is finished on a notebook
    for cell_id, new in replaced.items():
        before, after, cell = old[cell_id], live.get(cell_id), document.find(cell_id)
        if after is None or after == before or cell is None:
            continue
        text_edits.change(cell["source"], new["source"], merge_texts(before["source"], after["source"], new["source"]))
        if new["cell_type"] == "code" and after.get("outputs", []) != before.get("outputs", []):
            document.set_outputs(cell, after.get("outputs", []))
            cell["execution_count"] = after.get("execution_count")
        for key, value in after["metadata"].items():
            if value != before["metadata"].get(key):
                cell["metadata"][key] = value


def _change_map(shared: Map, old: Json, new: Json, live: Json) -> None:
    """Set the keys in which `new` differs from `old`, where nobody has changed them in the room."""
    for key in old.keys() | new.keys():
        if old.get(key, shared) == new.get(key, shared) or live.get(key, shared) != old.get(key, shared):
            continue
        if key in new:
            shared[key] = copy.deepcopy(new[key])
        elif key in shared:
            del shared[key]


def _checked_cell(cell: Json) -> Json:
    if cell["cell_type"] == "code":
        if not isinstance(cell["outputs"], list):
            raise TypeError("no outputs")
        for output in cell["outputs"]:
            _check_output(output)
        cell.setdefault("execution_count", None)
    elif cell["cell_type"] in ("markdown", "raw"):
        if not isinstance(cell.get("attachments", {}), dict):
            raise TypeError("no attachments")
        if not all(isinstance(bundle, dict) for bundle in cell.get("attachments", {}).values()):
            raise TypeError("no attachments")
        if not cell.get("attachments", True):
            del cell["attachments"]
    else:
        raise ValueError("no type")
    return cell


def _check_output(output: Any) -> None:
    if not isinstance(output, dict) or not isinstance(output["output_type"], str):
        raise TypeError("no output")
    if output["output_type"] == "stream" and not isinstance(output["text"], str):
        raise TypeError("no stream")
    if not isinstance(output.get("data", {}), dict):
        raise TypeError("no data")
