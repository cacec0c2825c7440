"""What is executed in one kernel for the cells of notebooks, and with what outputs. Standard library only.

Followed from the request on, not from the moment when a page is gone: then a cell's outputs in the file are replaced as
a whole, and nothing is there twice or missing, wherever a page stopped to listen.
"""

import time
from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Any

from cell_outputs import CellOutputs  # type: ignore[import-not-found]  # beside this file

MOST_SEEN = 2000
"""Messages whose ids are remembered, for a page that begins to listen."""
UNNOTICED_SECONDS = 120
"""How long the connection of a page that has vanished may seem to be open."""
MOST_EXECUTIONS = 2000
MOST_BYTES = 16 * 2**20
"""Of outputs of all executions that have ended."""
MOST_UNWRITTEN = 64 * 2**20
"""The same, of those that wait while their notebook cannot be written."""
GIVEN_UP = "[… outputs left out: the notebook could not be written, and too much came after them …]\n"


class Phase(Enum):
    """Where an execution is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"
    """Never begun: a cell before it failed, or the kernel has ended."""


class Execution:
    """One `execute_request` for a cell."""

    def __init__(self, message: str, cell: str, code: str, session: str) -> None:
        self.message = message
        """Its id, which its outputs name as their parent."""
        self.cell, self.code, self.session = cell, code, session
        self.is_alone = False
        """True if no page has asked for it: a run, of which a page that is there shows what it can."""
        self.phase = Phase.WAITING
        self.failed = False
        self.count: int | None = None
        self.outputs = CellOutputs()
        self.seen: deque[str] = deque(maxlen=MOST_SEEN)
        self.asked_at = self.ended_at = time.time()
        self.changes = 0
        self.written = 0
        """How many of its changes are in the file."""
        self.wanted = False
        """True if it is to be in the file, unless a page has saved it there."""
        self.missed = False
        """True if something came while no page listened: then none can have saved it."""

    @property
    def is_open(self) -> bool:
        """True while more may come."""
        return self.phase in (Phase.WAITING, Phase.RUNNING)

    @property
    def is_unwritten(self) -> bool:
        """True if the file has to be changed."""
        return self.wanted and self.written < self.changes and self.phase not in (Phase.WAITING, Phase.ABORTED)

    def is_newer(self, saved_at: float) -> bool:
        """True unless whoever wrote the notebook then had all of it."""
        return self.missed or self.is_open or self.ended_at > saved_at

    def end(self, phase: Phase) -> None:
        """No more comes."""
        self.phase, self.ended_at = phase, time.time()
        self.changes += 1

    def give_up_outputs(self) -> None:
        """Keep a word about them instead."""
        self.outputs = CellOutputs()
        self.outputs.take("stream", {"name": "stderr", "text": GIVEN_UP})
        self.changes += 1

    def as_json(self) -> "dict[str, Any]":
        """For a page that takes over."""
        return {
            "message": self.message,
            "cell": self.cell,
            "session": self.session,
            "phase": self.phase.value,
            "count": self.count,
            "outputs": self.outputs.as_messages(),
            "seen": list(self.seen),
        }


class Executions:
    """Those of one kernel, in the order of their requests."""

    def __init__(self) -> None:
        self.all: dict[str, Execution] = {}
        self.is_hindered = False
        """True while their notebook cannot be written."""

    def hinder(self, is_hindered: bool) -> None:
        """The notebook could not be written, or could be again."""
        self.is_hindered = is_hindered
        self._give_up_outputs()

    def begin(self, message: str, cell: str, code: str, session: str) -> Execution:
        """A cell's request is on its way to the kernel."""
        self._prune()
        found = self.all[message] = Execution(message, cell, code, session)
        return found

    def take(self, kind: str, message: "dict[str, Any]", *, is_absent: bool) -> bool:
        """A message on iopub; True if it changes what belongs into a file. `is_absent`: no page listens."""
        content = message.get("content") or {}
        if kind == "update_display_data":
            updated = [one for one in self.all.values() if one.outputs.update_display(content)]
            for one in updated:
                _note(one, message, is_absent)
            return bool(updated)
        found = self.all.get((message.get("parent_header") or {}).get("msg_id", ""))
        if found is None or not found.is_open:
            return False
        if kind == "execute_input":
            found.phase, found.count = Phase.RUNNING, content.get("execution_count")
            self._forget_earlier(found)
        elif kind == "status":
            if content.get("execution_state") != "idle":
                return False
            found.end(Phase.DONE if found.phase is Phase.RUNNING else Phase.ABORTED)
        elif not found.outputs.take(kind, content):
            return False
        found.failed = found.failed or kind == "error"
        _note(found, message, is_absent)
        if not found.is_open:
            self._give_up_outputs()
        return True

    def _forget_earlier(self, found: Execution) -> None:
        """Of the same cell: its outputs are replaced."""
        for other in [one for one in self.all.values() if one.cell == found.cell and not one.is_open]:
            del self.all[other.message]

    def leave(self) -> None:
        """The last page is gone, and maybe was before anybody noticed: what has ended lately it may not have saved."""
        since = time.time() - UNNOTICED_SECONDS
        lately = [one for one in self.all.values() if one.is_open or one.ended_at > since]
        for one in self.all.values() if lately else []:
            one.wanted, one.missed = True, one.missed or one.is_open or (one.is_alone and one in lately)
            one.written = min(one.written, one.changes - 1)

    def hand_over(self, saved_at: float, *, is_absent: bool = False) -> "list[Execution]":
        """For a page that is here now: what goes on, and what ended while none was.

        `saved_at`: when somebody else has written the notebook last. `is_absent`: the page is gone again, and its
        request was still on its way: all is written as if it had never come.
        """
        found = [one for one in self.all.values() if one.is_open or (one.wanted and one.is_newer(saved_at))]
        for one in [] if is_absent else found:
            one.wanted, one.missed = one.wanted and one.is_open, one.missed and one.is_open
        return found

    def abort(self, message: str) -> None:
        """The kernel says that it will not run this."""
        found = self.all.get(message)
        if found and found.phase is Phase.WAITING:
            found.end(Phase.ABORTED)

    def end_all(self) -> None:
        """The kernel has ended, or was started again."""
        for one in self.all.values():
            if one.is_open:
                one.failed = True
                one.end(Phase.DONE if one.phase is Phase.RUNNING else Phase.ABORTED)

    @property
    def unwritten(self) -> "list[Execution]":
        """What the file does not have yet."""
        return [one for one in self.all.values() if one.is_unwritten]

    def _prune(self) -> None:
        """Forget the oldest that have ended and are written, or that nobody wants."""
        ended = [one for one in self.all.values() if not one.is_open and not one.is_unwritten]
        size = sum(one.outputs.size for one in ended)
        while ended and (size > MOST_BYTES or len(self.all) >= MOST_EXECUTIONS):
            oldest = ended.pop(0)
            size -= oldest.outputs.size
            del self.all[oldest.message]

    def _give_up_outputs(self) -> None:
        """While nothing can be written: the outputs that came first make room for the last, with a word in the cell."""
        if not self.is_hindered:
            return
        waiting = [one for one in self.unwritten if not one.is_open]
        size = sum(one.outputs.size for one in waiting)
        for one in waiting[:-1]:
            if size <= MOST_UNWRITTEN:
                return
            size -= one.outputs.size
            one.give_up_outputs()
            size += one.outputs.size


def _note(found: Execution, message: "dict[str, Any]", is_absent: bool) -> None:
    found.changes += 1
    found.wanted, found.missed = found.wanted or is_absent, found.missed or is_absent
    found.seen.append((message.get("header") or {}).get("msg_id", ""))


def put_outputs(notebook: Any, executions: "Iterable[Execution]", saved_at: float) -> bool:
    """Put outputs and execution counts into the cells that they belong to; False if nothing is to be changed.

    `saved_at`: when somebody else wrote the notebook last. What a page knew to have ended then is in it. A cell that
    was asked for after that has what was executed as its source, and is made if there is none: the page had not come to
    save it.
    """
    cells = notebook["cells"]
    by_id = {cell.get("id"): cell for cell in cells}
    changed, last = False, None
    for one in executions:
        cell = by_id.get(one.cell) or _without_id(cells, one)
        if one.is_unwritten and one.is_newer(saved_at):
            if cell is None and one.asked_at > saved_at:
                cell = _insert(notebook, one, after=last)
                by_id[one.cell] = cell
            if cell is not None and cell["cell_type"] == "code":
                _fill(cell, one, is_newer=one.asked_at > saved_at)
                changed = True
        last = cell if cell is not None else last
    return changed


def _without_id(cells: Any, one: Execution) -> Any:
    """In a notebook without ids (nbformat 4.4), the one cell with this source."""
    same = [cell for cell in cells if cell["cell_type"] == "code" and not cell.get("id") and cell["source"] == one.code]
    return same[0] if len(same) == 1 else None


def _insert(notebook: Any, one: Execution, after: Any) -> Any:
    cells = notebook["cells"]
    cell = type(notebook)(
        cell_type="code", metadata=type(notebook)(), source=one.code, outputs=[], execution_count=None
    )
    if (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5):
        cell["id"] = one.cell
    at = next((number + 1 for number, other in enumerate(cells) if other is after), len(cells))
    cells.insert(at, cell)
    return cell


def _fill(cell: Any, one: Execution, *, is_newer: bool) -> None:
    if is_newer:
        cell["source"] = one.code
    cell["outputs"] = [type(cell)(output) for output in one.outputs.as_list()]
    cell["execution_count"] = None if one.is_open else one.count
    cell["metadata"]["trusted"] = True  # as in the page: its person has run it here
