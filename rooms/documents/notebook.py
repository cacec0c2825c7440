"""A notebook as a shared document, in the shape that JupyterLab's pages expect (jupyter_ydoc.YNotebook)."""

import copy
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Doc, Map, Text

from . import notebook_notation, text_edits
from .base import Document, NotRenderableError, Parsed, share
from .cell_alignment import same_cells
from .notebook_notation import EMPTY_METADATA, Json, NotebookNotation, whole_numbers
from .text_edits import matching_blocks


class _NoUndo:
    def expand_scope(self, _part: object) -> None:
        """Nothing to remember."""


class _SharedNotebook(YNotebook):
    """Without jupyter_ydoc's history of undoing, which keeps all that was ever deleted: each output of each run, for
    as long as the room is open. Pages have histories of their own.
    """

    @property
    def undo_manager(self) -> Any:
        """Of the room: none."""
        return _NoUndo()


class Notebook(Document):
    """Cells, metadata and outputs that several people edit. The source of a cell is a shared text."""

    roots = frozenset({"cells", "meta", "state"})

    def __init__(self, doc: Doc) -> None:
        self.doc = doc
        self._shared = _SharedNotebook(doc)
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

    def merge(self, old: Json, new: Json, live: Document) -> None:
        """Change this fork, which holds `old`, into `new`, and `live` likewise; see `Document.merge`."""
        assert isinstance(live, Notebook)  # a fork and what it was forked from are of one kind
        before = live.content()
        merge = _CellMerge(self, live, old["cells"], new["cells"], before["cells"])
        with self.doc.transaction():
            merge.change_sources()
        share(self, live)
        with self.doc.transaction():
            merge.change_cells()
            metadata = self.meta["metadata"]
            if isinstance(metadata, Map):
                _change_map(metadata, old["metadata"], EMPTY_METADATA | new["metadata"], before["metadata"])
            for key in ("nbformat", "nbformat_minor"):
                if old[key] != new[key] and old[key] == before[key]:
                    self.meta[key] = new[key]
        merge.remember_sources()
        share(self, live)
        with live.doc.transaction():
            merge.bring_along()

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
    """Changes the cells of a fork from `old` to `new`, with regard to what people had in the room (`before`)."""

    def __init__(self, fork: Notebook, live: Notebook, old: list[Json], new: list[Json], before: list[Json]) -> None:
        self.fork, self.live = fork, live
        self.new = new
        self.order = [cell["id"] for cell in old]
        self.old = {cell["id"]: cell for cell in old}
        self.before = {cell["id"]: cell for cell in before}
        self.replaced: dict[str, Json] = {}  # cells that were put in anew, in their new content
        self.merged: dict[str, str] = {}  # their sources, with what people had typed

    def change_sources(self) -> None:
        """Edit the source of every cell where it stands, so that it merges with what is typed there."""
        new = {cell["id"]: cell for cell in self.new}
        for at, cell_id in enumerate(self.order):
            if cell_id in new:
                text_edits.change(self.fork.cells[at]["source"], self.old[cell_id]["source"], new[cell_id]["source"])

    def change_cells(self) -> None:
        """Order, insert and delete cells, and change all else in them."""
        at = 0
        new_ids = [cell["id"] for cell in self.new]
        for tag, a, b, c, d in matching_blocks(self.order, new_ids):
            if tag == "equal":
                for cell in self.new[c:d]:
                    self._change(at, cell)
                    at += 1
                continue
            at += self._remove(at, self.order[a:b], set(new_ids))
            for cell in self.new[c:d]:
                self.fork.cells.insert(at, self.fork.new_cell(cell))
                if cell["id"] in self.old:
                    self.replaced[cell["id"]] = cell
                at += 1

    def remember_sources(self) -> None:
        """The sources of cells that are about to be put in anew, as they are merged by now."""
        for cell_id in self.replaced:
            if cell := self.live.find(cell_id):
                self.merged[cell_id] = str(cell["source"])

    def bring_along(self) -> None:
        """Bring what people had done to cells that were put in anew to where these are now."""
        for cell_id, new in self.replaced.items():
            old, before, cell = self.old[cell_id], self.before.get(cell_id), self.live.find(cell_id)
            if before is None or before == old or cell is None:
                continue
            text_edits.change(cell["source"], new["source"], self.merged[cell_id])
            if new["cell_type"] == "code" and before.get("outputs", []) != old.get("outputs", []):
                self.live.set_outputs(cell, before.get("outputs", []))
                cell["execution_count"] = before.get("execution_count")
            for key, value in before["metadata"].items():
                if value != old["metadata"].get(key):
                    cell["metadata"][key] = value

    def _remove(self, at: int, ids: list[str], wanted: set[str]) -> int:
        """Remove cells, but for those that somebody has edited since and that were deleted elsewhere. How many stay."""
        stay = 0
        for cell_id in ids:
            edited = cell_id in self.before and self.before[cell_id] != self.old[cell_id]
            if edited and cell_id not in wanted:
                stay += 1
            else:
                del self.fork.cells[at + stay]
        return stay

    def _change(self, at: int, new: Json) -> None:
        old = self.old[new["id"]]
        if old == new:
            return
        if old["cell_type"] != new["cell_type"]:
            self.fork.cells[at] = self.fork.new_cell(new)
            self.replaced[new["id"]] = new
            return
        before = self.before.get(new["id"], old)
        cell = self.fork.cells[at]
        if isinstance(cell["metadata"], Map):
            _change_map(cell["metadata"], old["metadata"], new["metadata"], before["metadata"])
        if old.get("outputs") != new.get("outputs") and before.get("outputs") == old.get("outputs"):
            self.fork.set_outputs(cell, new.get("outputs", []))
        whole = (old.keys() | new.keys()) - {"id", "cell_type", "source", "metadata", "outputs"}
        _change_map(cell, *({key: side[key] for key in whole & side.keys()} for side in (old, new, before)))


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
