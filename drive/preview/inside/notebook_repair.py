"""Notebooks of every version of the format (nbformat 1 to 4), as JSON gives them, read for showing.

Nothing that is missing, or of another type than the format says, hides the rest: it gets a default, and a note.
The file stays as it is.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .page import InvalidContentError

T = TypeVar("T")
MOST_NAMED = 8
"""Cells whose numbers a note names."""
_OLD_TYPES = {"pyout": "execute_result", "pyerr": "error"}
_OLD_DATA = {
    "html": "text/html", "jpeg": "image/jpeg", "javascript": "application/javascript", "json": "application/json",
    "latex": "text/latex", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "text": "text/plain",
}  # fmt: skip
"""Keys of outputs in nbformat 1 to 3."""


@dataclass
class Output:
    """One output of a cell of code."""

    kind: str
    """`stream`, `display_data`, `execute_result` or `error`."""
    name: str = ""
    """Of a stream."""
    text: str = ""
    """Of a stream; of an error, its traceback."""
    data: dict[str, Any] = field(default_factory=dict)
    """By media type: text, or what JSON it is."""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Cell:
    """One cell."""

    kind: str
    """`code`, `markdown` or `raw`."""
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    count: int | None = None
    outputs: list[Output] = field(default_factory=list)
    attachments: dict[str, dict[str, Any]] = field(default_factory=dict)
    id: str = ""


@dataclass
class Notebook:
    """A notebook, and what had to be repaired to show it, in words."""

    cells: list[Cell]
    language: str
    """Of the code, in lower case; "" where it is not said."""
    widgets: dict[str, Any]
    """States of widgets by the model's id."""
    repaired: list[str]
    notes: list[str]


class _Repairs:
    """What was wrong, and in which cells."""

    def __init__(self) -> None:
        self._places: dict[str, list[int]] = {}
        self.cell = 0
        """Number of the cell that is read, from 1; 0 for the notebook itself."""

    def note(self, what: str) -> None:
        places = self._places.setdefault(what, [])
        if self.cell not in places[-1:]:
            places.append(self.cell)

    def typed(self, value: object, kind: type[T], what: str, *, missing: bool = True) -> T:
        """The value if it is of that type, else an empty one, noted; `missing`: also where there is none."""
        if isinstance(value, kind):
            return value
        if value is not None or missing:
            self.note(what)
        return kind()

    def in_words(self) -> list[str]:
        return [what + _cells(places) for what, places in self._places.items()]


def _cells(places: list[int]) -> str:
    numbers = [str(number) for number in places if number]
    if not numbers:
        return ""
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f" of cell{'s' * (len(numbers) > 1)} {', '.join(numbers[:MOST_NAMED])}{more}"


def read_notebook(content: bytes) -> Notebook:
    """A notebook as its file's bytes give it. InvalidContentError, with the line, where they are no JSON."""
    repairs, notes = _Repairs(), []
    text, encoding = _decoded(content)
    if encoding != "UTF-8":
        notes.append(f"The file is in {encoding}; notebooks should be in UTF-8.")
    raw = _parsed(text, notes)
    if not isinstance(raw, dict):
        raise InvalidContentError(f"This is not a valid notebook: it holds {_in_words(raw)} instead of an object.")
    version = raw.get("nbformat")
    if isinstance(version, int) and not isinstance(version, bool) and 0 < version < 4:
        notes.append(f"The notebook is of version {version} of the format; JupyterLab converts it as it saves it.")
    else:
        _check_version(raw, repairs)
    metadata = repairs.typed(raw.get("metadata"), dict, "metadata")
    language = _language(metadata, repairs)
    cells = [_cell(cell, number, repairs) for number, cell in enumerate(_cells_of(raw, repairs), 1)]
    return Notebook([cell for cell in cells if cell], language, _widgets(metadata), repairs.in_words(), notes)


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, codec, name in (
        (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
        (b"\xff\xfe", "utf-16", "UTF-16"),
        (b"\xfe\xff", "utf-16", "UTF-16"),
        (b"{\0", "utf-16-le", "UTF-16"),
        (b"\0{", "utf-16-be", "UTF-16"),
    ):
        if content.startswith(mark):
            return content.decode(codec, "replace"), name
    try:
        return content.decode(), "UTF-8"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "another encoding (a guess: Latin-1)"


def _parsed(text: str, notes: list[str]) -> Any:
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        conflict = re.search(r"^(?:<{7}|={7}|>{7})(?: |$)", text, re.MULTILINE)
        if conflict:
            line = text.count("\n", 0, conflict.start()) + 1
            raise InvalidContentError(
                f"This is not a valid notebook: line {line} is a conflict that Git left."
            ) from error
        why = f"line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InvalidContentError(f"This is not a valid notebook: it cannot be read as JSON ({why}).") from error
    except (RecursionError, ValueError) as error:
        raise InvalidContentError(
            "This is not a valid notebook: it is nested too deeply, or a number is too long."
        ) from error
    if rest := text[end:].strip():
        line = text.count("\n", 0, text.index(rest, end)) + 1
        notes.append(f"What follows the notebook in the file, from line {line} on, is not shown.")
    return value


def _in_words(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def _check_version(raw: dict[str, Any], repairs: _Repairs) -> None:
    if not isinstance(raw.get("nbformat"), int):
        repairs.note("version of the format")
    if not isinstance(raw.get("nbformat_minor"), int):
        repairs.note("minor version of the format")


def _language(metadata: dict[str, Any], repairs: _Repairs) -> str:
    kernel = repairs.typed(metadata.get("kernelspec"), dict, "kernel's description", missing=False)
    language = repairs.typed(metadata.get("language_info"), dict, "language's description", missing=False)
    for about, keys in ((kernel, ("name", "display_name")), (language, ("name",))):
        for key in keys:
            if about and not isinstance(about.get(key), str):
                what = "kernel" if about is kernel else "language"
                repairs.note(f"{key.replace('_', ' ')} of the {what}")
    found = language.get("name") or kernel.get("language") or metadata.get("language")
    return found.lower() if isinstance(found, str) else ""


def read_outputs(raw: Sequence[object]) -> list[Output]:
    """Outputs that stand elsewhere than in a cell, such as in a widget."""
    repairs = _Repairs()
    return [output for output in (_output(one, repairs) for one in raw) if output]


def _widgets(metadata: dict[str, Any]) -> dict[str, Any]:
    """The last states of widgets, which some tools write without the media type around them."""
    found = metadata.get("widgets")
    for _ in range(3):
        if not isinstance(found, dict):
            return {}
        inner = found.get("application/vnd.jupyter.widget-state+json", found.get("state"))
        if inner is None:
            return found
        found = inner
    return found if isinstance(found, dict) else {}


def _cells_of(raw: dict[str, Any], repairs: _Repairs) -> list[Any]:
    """Those of all worksheets, which nbformat 2 and 3 had."""
    if "cells" not in raw and isinstance(raw.get("worksheets"), list):
        sheets = (repairs.typed(sheet, dict, "worksheet") for sheet in raw["worksheets"])
        return [cell for sheet in sheets for cell in repairs.typed(sheet.get("cells"), list, "cells of a worksheet")]
    return repairs.typed(raw.get("cells"), list, "cells")


def _cell(raw: object, number: int, repairs: _Repairs) -> Cell | None:
    repairs.cell = number
    if not isinstance(raw, dict):
        repairs.note("all")
        return Cell("raw", raw) if isinstance(raw, str) else None
    kind = raw.get("cell_type")
    source = _text(next((raw[key] for key in ("source", "input", "code", "text") if key in raw), None), "text", repairs)
    old = any(key in raw for key in ("input", "prompt_number", "level"))
    metadata = repairs.typed(raw.get("metadata"), dict, "metadata", missing=not old)
    _check_metadata(metadata, repairs)
    if kind == "heading":
        level = raw.get("level")
        return Cell(
            "markdown", f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {source}", metadata
        )
    if kind == "html":
        kind = "markdown"
    if kind not in ("code", "markdown", "raw"):
        repairs.note("type")
        kind = "code" if "outputs" in raw else "raw"
    name = raw.get("id")
    cell = Cell(kind, source, metadata, id=name if isinstance(name, str) else "")
    if kind == "code":
        cell.count = _count(raw, "prompt_number" if old else "execution_count", repairs)
        outputs = repairs.typed(raw.get("outputs"), list, "outputs")
        cell.outputs = [made for output in outputs if (made := _output(output, repairs))]
    else:
        files = repairs.typed(raw.get("attachments"), dict, "attachments", missing=False)
        cell.attachments = {name: repairs.typed(data, dict, "attachments") for name, data in files.items()}
    return cell


def _check_metadata(metadata: dict[str, Any], repairs: _Repairs) -> None:
    for key, kind in (("tags", list), ("jupyter", dict), ("execution", dict), ("collapsed", bool), ("name", str)):
        if key in metadata and not isinstance(metadata[key], kind):
            repairs.note(key)
            del metadata[key]


def _count(raw: dict[str, Any], key: str, repairs: _Repairs) -> int | None:
    count = raw.get(key)
    if isinstance(count, int) and not isinstance(count, bool):
        return count
    if key not in raw or count is not None:
        repairs.note("execution count")
    return None


def _text(value: object, what: str, repairs: _Repairs) -> str:
    """A text, or a list of its lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    repairs.note(what)
    if isinstance(value, list):
        return "".join(line if isinstance(line, str) else json.dumps(line) for line in value)
    return "" if value is None else json.dumps(value)


def _output(raw: object, repairs: _Repairs) -> Output | None:
    if not isinstance(raw, dict):
        repairs.note("an output")
        return None
    kind = raw.get("output_type")
    kind = _OLD_TYPES.get(kind, kind) if isinstance(kind, str) else kind
    if kind not in ("stream", "display_data", "execute_result", "error"):
        repairs.note("type of an output")
        kind = "error" if "ename" in raw else "display_data" if "data" in raw else "stream"
    if kind == "stream":
        name = raw.get("name", raw.get("stream"))
        if not isinstance(name, str):
            repairs.note("name of an output")
            name = "stdout"
        return Output(kind, name=name, text=_text(raw.get("text"), "text of an output", repairs))
    if kind == "error":
        return Output(kind, text=_traceback(raw, repairs))
    return _display(kind, raw, repairs)


def _traceback(raw: dict[str, Any], repairs: _Repairs) -> str:
    name, value = (_text(raw.get(key), f"{key} of an error", repairs) for key in ("ename", "evalue"))
    lines = raw.get("traceback")
    if isinstance(lines, str):
        lines = [lines]
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        repairs.note("traceback of an error")
        lines = []
    return "\n".join(lines) or f"{name}: {value}".rstrip(": ")


def _display(kind: str, raw: dict[str, Any], repairs: _Repairs) -> Output:
    old = "data" not in raw and not _OLD_DATA.keys().isdisjoint(raw)
    if old:
        found: Iterable[tuple[Any, Any]] = [(_OLD_DATA[key], raw[key]) for key in _OLD_DATA if key in raw]
    else:
        found = repairs.typed(raw.get("data"), dict, "data of an output").items()
        if kind == "execute_result" and "execution_count" not in raw:
            repairs.note("execution count of an output")
    metadata = repairs.typed(raw.get("metadata"), dict, "metadata of an output", missing=not old)
    data = {}
    for media_type, value in found:
        is_json = media_type.endswith("json")
        data[media_type] = value if is_json else _text(value, f"{media_type} of an output", repairs)
    return Output(kind, data=data, metadata=metadata)
