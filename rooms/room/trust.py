"""What clients may not put into a shared document: trust in outputs, and shapes that no file can hold.

JupyterLab runs the scripts in a cell's outputs when it trusts the cell, and it writes that trust into the document that
everybody shares: `trusted` in the cell's metadata, when somebody runs the cell, makes one, or clears its outputs. In
the browser of another person, who has not run it, those scripts would run at her Lab's own origin, with her rights.
So the room takes `trusted` out of whatever it is sent, before anybody else is sent it.

Read in JupyterLab 4.6 (`packages/cells/src/model.ts`, `outputarea/src/model.ts`, `rendermime`):

- `CellModel` reads the shared `trusted` in its constructor and never again. With it gone there, a cell that came from
  elsewhere (a file, another person) is not trusted: its HTML is sanitised, SVG and JavaScript are not shown, and no
  renderer that is not marked `safe` is used, that of widgets (`application/vnd.jupyter.widget-view+json`) included.
- Any true value of `trusted` counts, of whatever type. `metadata` may be a map or, from a client of somebody's own
  making, a plain object. No other place counts: not the notebook's metadata, `state`, an output's metadata, nor
  awareness.
- **What the room cannot do**: a page that ran, made or cleared a cell trusts that cell for as long as the page lives,
  whatever the shared document says, and renders with that trust also outputs that *others* put into the cell
  afterwards. The page has to do it itself (frontend/jupyterlab_extension): outputs that arrive in a transaction of the
  connection (`transaction.local` is false) are made without trust, for example by `trusted: false` in
  `OutputAreaModel.ContentFactory.createOutputModel` while such a transaction is applied.
- Notebook metadata may hold the state of widgets (`widgets`), which the widgets' extension reads when a notebook is
  opened, trusted or not. ipywidgets' own classes show it sanitised or not at all before they are displayed; classes of
  third parties that run code of their state (anywidget) do so for every notebook that a person opens, shared or not.
"""

from typing import Any

from pycrdt import Array, Map, MapEvent, Text, TextEvent

from rooms.documents.base import Document
from rooms.documents.notebook import Notebook

TRUST = "trusted"
_SHARED = Array | Map | Text
_CELL_TYPES = ("code", "markdown", "raw")
_PARTS = {"source": Text, "metadata": Map, "outputs": Array}  # of a cell, those that are shared types


class BadShapeError(Exception):
    """The document has got a shape that no file can hold."""


class Guard:
    """Watches one document. Call `mend` after every update that is applied, and relay both as one.

    `changed`: something that the file holds was changed, and not only what pages tell each other in `state`.
    """

    def __init__(self, document: Document) -> None:
        self._state = document.state
        self._bad = False
        self.changed = False
        text: Text = document.doc.get("source", type=Text)
        self._kept = [text.observe_deep(self._see_text), document.state.observe_deep(self._see_state)]

    def stop(self) -> None:
        """Watch no more. A document that is watched is never freed: its watchers hold it, where Python cannot see."""
        for subscription in self._kept:
            subscription.drop()

    def mend(self) -> int:
        """Put right what came; how often trust was taken out. BadShapeError where nothing can be put right."""
        bad, self._bad = self._bad, False
        if bad:
            raise BadShapeError
        # `path` would make pages take the file for another: each Lab has its own paths
        if "path" in self._state:
            del self._state["path"]
        return 0

    def take_changed(self) -> bool:
        """Has what the file holds been changed since this was asked last?"""
        changed, self.changed = self.changed, False
        return changed

    def _see_state(self, events: list[Any]) -> None:
        self._bad = self._bad or any(event.path or _has_shared(self._state) for event in events)

    def _see_text(self, events: list[Any]) -> None:
        self.changed = True
        self._bad = self._bad or any(event.path or not _is_text(event) for event in events)


class NotebookGuard(Guard):
    """Watches a notebook: its cells' trust above all."""

    def __init__(self, document: Notebook) -> None:
        self._document = document
        self._state = document.state
        self._bad = False
        self.changed = False
        self._cells: set[int] = set()
        self._outputs: set[tuple[int, int]] = set()
        self._inserted = False
        self._meta = False
        self._kept = [
            document.cells.observe_deep(self._see_cells),
            document.meta.observe_deep(self._see_meta),
            document.state.observe_deep(self._see_state),
        ]

    def mend(self) -> int:
        """Take trust out of the cells that were touched, and tell cells of one id apart."""
        super().mend()
        cells, outputs, inserted, meta = self._cells, self._outputs, self._inserted, self._meta
        self._forget()
        if not (cells or outputs or meta):
            return 0
        try:
            with self._document.doc.transaction():
                found = sum(self._mend_cell(index) for index in sorted(cells))
                for index, number in sorted(outputs):
                    if index not in cells:
                        _check_output(self._document.cells[index]["outputs"][number])
                if inserted:
                    self._tell_apart()
                if meta:
                    self._check_meta()
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise BadShapeError from error
        self._forget()  # what was mended was seen, too
        return found

    def mend_all(self) -> int:
        """As `mend`, for a document that comes from elsewhere as a whole."""
        self._cells, self._inserted, self._meta = set(range(len(self._document.cells))), True, True
        return self.mend()

    def _forget(self) -> None:
        self._cells, self._outputs, self._inserted, self._meta = set(), set(), False, False
        self._bad = False

    def _see_cells(self, events: list[Any]) -> None:
        self.changed = True
        for event in events:
            path = event.path
            if not path:
                self._inserted = True
                self._cells.update(_inserted(event.delta))
            elif isinstance(event, TextEvent):
                self._bad = self._bad or not _is_text(event)
            elif len(path) == 2 and path[1] == "outputs" and not isinstance(event, MapEvent):
                self._outputs.update((path[0], number) for number in _inserted(event.delta))
            elif len(path) == 3 and path[1] == "outputs":
                self._outputs.add((path[0], path[2]))
            else:
                self._cells.add(path[0])

    def _see_meta(self, events: list[Any]) -> None:
        self._meta = True
        self.changed = self.changed or not all(_is_the_kernels(event) for event in events)

    def _mend_cell(self, index: int) -> int:
        cell = self._document.cells[index]
        if not isinstance(cell, Map) or cell["cell_type"] not in _CELL_TYPES or not _is_id(cell["id"]):
            raise BadShapeError
        found = _distrust(cell)
        is_code = cell["cell_type"] == "code"
        for key, value in cell.items():
            if isinstance(value, _SHARED) != (key in _PARTS) or (key in _PARTS and not isinstance(value, _PARTS[key])):
                raise BadShapeError
        if "source" not in cell or ("outputs" in cell) != is_code or not _are_bundles(cell.get("attachments")):
            raise BadShapeError
        if is_code:
            for output in cell["outputs"]:
                _check_output(output)
        return found

    def _tell_apart(self) -> None:
        """Cells of one id: two people moved one cell, or undid one deletion. Twice the same becomes one."""
        seen: dict[str, int] = {}
        double = []
        for index, cell in enumerate(self._document.cells):
            if cell["id"] in seen:
                double.append((index, seen[cell["id"]]))
            else:
                seen[cell["id"]] = index
        for index, first in reversed(double):
            if self._document.cell_content(index) == self._document.cell_content(first):
                del self._document.cells[index]
                continue
            base, number = self._document.cells[index]["id"][:40], index
            while f"{base}-{number}" in seen:
                number += 1
            seen[f"{base}-{number}"] = index
            self._document.cells[index]["id"] = f"{base}-{number}"

    def _check_meta(self) -> None:
        meta = self._document.meta
        shared = {key for key, value in meta.items() if isinstance(value, _SHARED)}
        metadata = meta["metadata"]
        if meta["nbformat"] != 4 or not isinstance(meta["nbformat_minor"], int | float) or shared - {"metadata"}:
            raise BadShapeError
        if not isinstance(metadata, Map) or _has_shared(metadata):
            raise BadShapeError


def guard(document: Document) -> Guard:
    """The guard for this kind of document."""
    return NotebookGuard(document) if isinstance(document, Notebook) else Guard(document)


def _distrust(cell: Map) -> int:
    """Take trust out of a cell, and make a map of metadata that is none: pages know no other."""
    metadata = cell.get("metadata")
    if isinstance(metadata, Map):
        if TRUST in metadata:
            del metadata[TRUST]
            return 1
        if _has_shared(metadata):
            raise BadShapeError
        return 0
    plain = metadata if isinstance(metadata, dict) else {}
    cell["metadata"] = Map({key: value for key, value in plain.items() if key != TRUST})
    return int(TRUST in plain)


def _check_output(output: Any) -> None:
    if not isinstance(output, Map | dict) or not isinstance(output["output_type"], str):
        raise BadShapeError
    for key, value in output.items():
        if isinstance(value, _SHARED) and not (key == "text" and isinstance(value, Text)):
            raise BadShapeError
    if output["output_type"] == "stream" and not isinstance(output["text"], str | Text):
        raise BadShapeError
    if not isinstance(output.get("data", {}), dict):
        raise BadShapeError


def _are_bundles(attachments: Any) -> bool:
    bundles = {} if attachments is None else attachments
    return isinstance(bundles, dict) and all(isinstance(bundle, dict) for bundle in bundles.values())


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def _has_shared(shared: Map) -> bool:
    return any(isinstance(value, _SHARED) for value in shared.values())


def _is_the_kernels(event: Any) -> bool:
    """A kernel told what its language is, which each does when a page opens: no reason to write the file."""
    return event.path == ["metadata"] and isinstance(event, MapEvent) and set(event.keys) <= {"language_info"}  # type: ignore[attr-defined]


def _is_text(event: Any) -> bool:
    """Nothing but characters was put in."""
    return isinstance(event, TextEvent) and all(
        isinstance(part.get("insert", ""), str)
        for part in event.delta  # type: ignore[attr-defined]
    )


def _inserted(delta: list[dict[str, Any]]) -> list[int]:
    """Positions of what an event says was inserted."""
    at = 0
    found: list[int] = []
    for part in delta:
        if "retain" in part:
            at += int(part["retain"])
        elif "insert" in part:
            found += range(at, at + len(part["insert"]))
            at += len(part["insert"])
    return found
