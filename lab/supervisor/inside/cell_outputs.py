"""Outputs of one cell, put together from its kernel's messages as JupyterLab does (nbformat 4), within bounds.

Endless output keeps its beginning and its end: of each stream MOST_TEXT characters at either side, and of all outputs
the first KEPT_FIRST and as many of the last as MOST_OUTPUTS and MOST_BYTES allow. Standard library only.
"""

import json
from collections import deque
from itertools import islice
from typing import Any

MOST_TEXT = 2**19
MOST_LINE = 2**16
"""Characters of a line; of a longer one only the rest is rewritten by what follows a carriage return."""
MOST_OUTPUTS = 400
KEPT_FIRST = 100
MOST_BYTES = 20 * 2**20
MESSAGES = ("stream", "display_data", "execute_result", "error")


class Text:
    """What a stream has written: carriage returns and backspaces overwrite, as on a terminal."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0
        self._line = ""
        self._cursor = 0

    def add(self, text: str) -> None:
        """Write more."""
        *lines, rest = text.replace("\r\n", "\n").split("\n")
        for line in lines:
            self._write(f"{line}\n")
        self._write(rest)

    def _write(self, piece: str) -> None:
        ends = piece.endswith("\n")
        words = piece[:-1] if ends else piece
        if "\r" in words or "\b" in words:
            self._overwrite(words)
        else:
            self._put(words)
        if ends or len(self._line) > MOST_LINE:
            self._push(self._line + "\n" if ends else self._line)
            self._line, self._cursor = "", 0

    def _overwrite(self, words: str) -> None:
        for word in _split_controls(words):
            if word == "\r":
                self._cursor = 0
            elif word == "\b":
                self._cursor = max(0, self._cursor - 1)
            else:
                self._put(word)

    def _put(self, words: str) -> None:
        after = self._cursor + len(words)
        self._line = self._line[: self._cursor] + words + self._line[after:]
        self._cursor = after

    def _push(self, line: str) -> None:
        if self._head_size < MOST_TEXT:
            self._head.append(line)
            self._head_size += len(line)
            return
        self._tail.append(line)
        self._tail_size += len(line)
        while self._tail_size > MOST_TEXT and len(self._tail) > 1:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone

    @property
    def size(self) -> int:
        """Characters that are kept."""
        return self._head_size + self._tail_size + len(self._line)

    def __str__(self) -> str:
        note = f"\n[… {self._left_out:,} characters left out …]\n" if self._left_out else ""
        return "".join([*self._head, note, *self._tail, self._line])


def _split_controls(words: str) -> "list[str]":
    for control in "\r\b":
        words = words.replace(control, f"\0{control}\0")
    return [word for word in words.split("\0") if word]


class CellOutputs:
    """All outputs of one execution, in order."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[dict[str, Any], Text | None, int]] = {}
        """By number: the output, its text where it is a stream, and its bytes where it is not."""
        self._displays: dict[str, set[int]] = {}
        self._next = 0
        self._left_out = 0
        self._clear_first = False

    def take(self, kind: str, content: "dict[str, Any]") -> bool:
        """A message on iopub; False if it changes no output."""
        if kind in MESSAGES:
            self._clear_when_due()
            self._add(kind, content)
        elif kind == "clear_output":
            self._clear_first = True
            if not content.get("wait"):
                self._clear_when_due()
        else:
            return False
        return True

    def update_display(self, content: "dict[str, Any]") -> bool:
        """`update_display_data`; False if no output of ours has this `display_id`."""
        name = _display_id(content)
        numbers = [number for number in self._displays.get(name, ()) if number in self._items]
        for number in numbers:
            output = self._items[number][0] | {"data": content.get("data", {}), "metadata": content.get("metadata", {})}
            self._items[number] = output, None, _size(output)
        self._trim()
        return bool(numbers)

    def _clear_when_due(self) -> None:
        if self._clear_first:
            self._items.clear()
            self._displays.clear()
            self._clear_first, self._left_out = False, 0

    def _add(self, kind: str, content: "dict[str, Any]") -> None:
        if kind == "stream":
            self._add_text(str(content.get("name") or "stdout"), str(content.get("text") or ""))
            return
        names = {
            "error": ("ename", "evalue", "traceback"),
            "execute_result": ("data", "metadata", "execution_count"),
        }.get(kind, ("data", "metadata"))
        output = {"output_type": kind} | {name: content.get(name, _DEFAULTS.get(name)) for name in names}
        if name := _display_id(content):
            self._displays.setdefault(name, set()).add(self._next)
        self._append(output, None, _size(output))

    def _add_text(self, name: str, text: str) -> None:
        last = self._items.get(self._next - 1)
        if last is None or last[1] is None or last[0]["name"] != name:
            self._append({"output_type": "stream", "name": name}, Text(), 0)
            last = self._items[self._next - 1]
        assert last[1]
        last[1].add(text)

    def _append(self, output: "dict[str, Any]", text: "Text | None", size: int) -> None:
        self._items[self._next] = output, text, size
        self._next += 1
        self._trim()

    def _trim(self) -> None:
        while len(self._items) > KEPT_FIRST + 1 and (len(self._items) > MOST_OUTPUTS or self.size > MOST_BYTES):
            del self._items[next(islice(self._items, KEPT_FIRST, None))]
            self._left_out += 1

    @property
    def size(self) -> int:
        """Characters and bytes, about."""
        return sum(size + (text.size if text else 0) for _output, text, size in self._items.values())

    def as_list(self) -> "list[dict[str, Any]]":
        """As `outputs` of a cell in a notebook."""
        found = [output | {"text": str(text)} if text else dict(output) for output, text, _size in self._items.values()]
        if self._left_out:
            note = f"[… {self._left_out:,} outputs left out …]\n"
            found.insert(KEPT_FIRST, {"output_type": "stream", "name": "stderr", "text": note})
        return found

    def as_messages(self) -> "list[dict[str, Any]]":
        """As the messages that would make them: kind and content, with the ids that updates of displays name."""
        names = {number: name for name, numbers in self._displays.items() for number in numbers}
        ids = [names.get(number, "") for number in self._items]
        if self._left_out:
            ids.insert(KEPT_FIRST, "")
        found = []
        for output, name in zip(self.as_list(), ids, strict=True):
            kind = output.pop("output_type")
            found.append({"kind": kind, "content": output | ({"transient": {"display_id": name}} if name else {})})
        return found


_DEFAULTS: "dict[str, Any]" = {"data": {}, "metadata": {}, "ename": "", "evalue": "", "traceback": []}


def _display_id(content: "dict[str, Any]") -> str:
    transient = content.get("transient")
    return str(transient.get("display_id") or "") if isinstance(transient, dict) else ""


def _size(output: "dict[str, Any]") -> int:
    return len(json.dumps(output, default=str))
