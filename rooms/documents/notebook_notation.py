"""Notebook files (nbformat 4): JSON bytes to content and back, in the notation that the file had.

Content is the notebook's JSON with multi-line strings joined, every cell with an `id`, and no `trusted`.
"""

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from .base import NotADocumentError, NotRenderableError, Parsed

Json = dict[str, Any]

# What JupyterLab's pages expect in a notebook's metadata; it is not written into files that do not have it.
EMPTY_METADATA: Json = {"kernelspec": {"name": "", "display_name": ""}, "language_info": {"name": ""}}
EXACT = 2**53  # integers beyond are not exact in JavaScript
MAX_DEPTH = 100  # of nested JSON; the reader of updates has the same bound
_INDENT = re.compile(r"^[{\[]\r?\n([ \t]+)\S")
_ESCAPED = re.compile(rb"\\u(?!00[01])[0-9a-fA-F]{4}")
_SPLIT_TYPES = ("application/javascript", "image/svg+xml")  # beside text/*: as nbformat's writer


@dataclass(frozen=True)
class JsonStyle:
    """How JSON is laid out. The defaults are nbformat's."""

    indent: str | None = " "
    separators: tuple[str, str] = (",", ": ")
    ascii: bool = False
    end: str = "\n"
    tail: str = "\n"
    mark: bool = False

    def dump(self, value: object, *, sort: bool) -> bytes:
        """JSON bytes in this style."""
        text = json.dumps(
            value, indent=self.indent, separators=self.separators, ensure_ascii=self.ascii, sort_keys=sort
        )
        text += self.tail
        if self.end != "\n":
            text = text.replace("\n", self.end)
        return (codecs.BOM_UTF8 if self.mark else b"") + text.encode()


@dataclass
class NotebookNotation:
    """How a notebook's file writes its content.

    `template` is the file's own JSON, kept only when it is not written as nbformat writes: with it, what nobody
    edited keeps its order of keys, its strings in one piece or many, and its numbers. `without_id` are the ids that
    cells have in the shared document only.
    """

    style: JsonStyle = JsonStyle()
    template: Json | None = None
    cells: dict[str, Json] = field(default_factory=dict)  # the template's, by id
    without_id: set[str] = field(default_factory=set)
    placeholder: Json | None = None  # the cell that a file without any has in the shared document
    empty: frozenset[str] = frozenset()  # keys of metadata that the file has, though they say nothing

    def render(self, content: Json) -> bytes:
        """The notebook's bytes. NotRenderableError."""
        with_ids = (content["nbformat"], content["nbformat_minor"]) >= (4, 5)
        cells = [self._cell(cell, with_ids) for cell in content["cells"] if content["cells"] != [self.placeholder]]
        whole = content | {"cells": cells, "metadata": self._metadata(content["metadata"])}
        if self.template is not None:
            whole = _arranged(whole | {"cells": None}, self.template) | {"cells": cells}
        try:
            return self.style.dump(whole, sort=self.template is None)
        except (TypeError, ValueError, RecursionError) as error:  # ValueError: lone surrogates too
            raise NotRenderableError("The notebook holds what JSON cannot.") from error

    def rename(self, ids: dict[str, str]) -> None:
        """Follow cells to the ids that they have in the shared document."""
        self.cells = {ids.get(cell_id, cell_id): cell for cell_id, cell in self.cells.items()}
        if self.placeholder:
            self.placeholder["id"] = ids.get(self.placeholder["id"], self.placeholder["id"])
        self.without_id = {ids.get(cell_id, cell_id) for cell_id in self.without_id}

    def _metadata(self, metadata: Json) -> Json:
        unsaid = {key for key, value in EMPTY_METADATA.items() if metadata.get(key) == value} - self.empty
        return {key: value for key, value in metadata.items() if key not in unsaid}

    def _cell(self, cell: Json, with_ids: bool) -> Json:
        template = self.cells.get(cell["id"], {})
        written = dict(cell)
        if cell["id"] in self.without_id or not (with_ids or "id" in template):
            del written["id"]
        written["source"] = _lines(cell["source"], template.get("source"))
        if "attachments" in cell:
            before = template.get("attachments")
            written["attachments"] = {
                name: _bundle(bundle, before.get(name) if isinstance(before, dict) else None)
                for name, bundle in cell["attachments"].items()
            }
        if "outputs" in cell:
            outputs = template.get("outputs") or []
            outputs = outputs + [None] * (len(cell["outputs"]) - len(outputs))
            written["outputs"] = [
                _output(output, before) for output, before in zip(cell["outputs"], outputs, strict=False)
            ]
        return written if self.template is None else _arranged(written, template)


def parse(data: bytes) -> Parsed:
    """Read a notebook file. NotADocumentError when it is no notebook of version 4, or too deeply nested."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
        content = _checked(json.loads(text))
        whole_numbers(content)
    except (ValueError, RecursionError) as error:
        raise NotADocumentError("The file is no JSON of a notebook.") from error
    empty = frozenset(key for key, value in EMPTY_METADATA.items() if content["metadata"].get(key) == value)
    notation = NotebookNotation(_style(data, text), empty=empty)
    if not content["cells"]:  # pages show an empty cell, but none of them adds it to a shared notebook
        notation.placeholder = _empty_cell()
    seen: set[str] = set()
    ids = []
    for cell in content["cells"]:
        if not isinstance(cell.get("id"), str) or not cell["id"]:
            cell["id"] = str(uuid4())
            notation.without_id.add(cell["id"])
        elif cell["id"] in seen:
            cell["id"] = str(uuid4())
        seen.add(cell["id"])
        ids.append(cell["id"])
    if notation.render(content) != data:
        original = json.loads(text)
        notation.template = original | {"cells": []}
        notation.cells = dict(zip(ids, original["cells"], strict=True))
    if notation.placeholder:
        content["cells"] = [notation.placeholder]
    return Parsed(content, notation)


def _empty_cell() -> Json:
    cell: Json = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}
    return cell | {"id": str(uuid4())}


def _style(data: bytes, text: str) -> JsonStyle:
    body = text.rstrip()
    indent = _INDENT.match(body)
    flat = indent is None and "\n" not in body
    separators = (", " if '", "' in body or '": ' in body else ",", ": " if '": ' in body else ":")
    return JsonStyle(
        indent=indent[1] if indent else None if flat else "",
        separators=separators if flat else (",", ": "),
        ascii=data.isascii() and _ESCAPED.search(data) is not None,
        end="\r\n" if "\r\n" in text else "\n",
        tail=text[len(body) :].replace("\r\n", "\n"),
        mark=data.startswith(codecs.BOM_UTF8),
    )


def _checked(notebook: Json) -> Json:
    """The notebook with its multi-line strings joined. ValueError for another shape than nbformat 4's."""
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
        raise ValueError("no notebook of version 4")
    if not isinstance(notebook.get("cells"), list) or not isinstance(notebook.setdefault("metadata", {}), dict):
        raise ValueError("no notebook")
    if not isinstance(notebook.setdefault("nbformat_minor", 0), int):
        raise ValueError("no version")
    if depth(notebook) > MAX_DEPTH:
        raise ValueError("too deeply nested")
    for cell in notebook["cells"]:
        _check_cell(cell)
    return notebook


def _check_cell(cell: Json) -> None:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        raise ValueError("no cell")
    cell["source"] = _joined(cell.get("source", ""))
    if not isinstance(cell["source"], str) or not isinstance(cell.setdefault("metadata", {}), dict):
        raise ValueError("no cell")
    cell["metadata"].pop("trusted", None)
    attachments = cell.get("attachments", {})
    if not isinstance(attachments, dict):
        raise ValueError("no attachments")
    for bundle in attachments.values():
        _join_bundle(bundle)
    if cell["cell_type"] != "code":
        return
    cell.setdefault("execution_count", None)
    if not isinstance(cell.setdefault("outputs", []), list):
        raise ValueError("no outputs")
    for output in cell["outputs"]:
        if not isinstance(output, dict) or not isinstance(output.get("output_type"), str):
            raise ValueError("no output")
        if output["output_type"] == "stream":
            output["text"] = _joined(output.get("text", ""))
            if not isinstance(output["text"], str):
                raise ValueError("no stream")
        _join_bundle(output.get("data", {}))
        output.pop("transient", None)


def whole_numbers(value: Any) -> None:
    """Make integers of the floats that a shared document makes of integers (numbers are JavaScript's there)."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if type(part) is float and part.is_integer() and abs(part) < EXACT:
            value[key] = int(part)
        elif isinstance(part, dict | list):
            whole_numbers(part)


def depth(value: object, limit: int = MAX_DEPTH + 1) -> int:
    """Levels of nested JSON, at most `limit`; without recursion."""
    level, inside = 0, [value]
    while inside and level < limit:
        level += 1
        inside = [
            part
            for whole in inside
            for part in (whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ())
            if isinstance(part, dict | list)
        ]
    return level


def _joined(value: Any) -> Any:
    whole = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "".join(value) if whole else value


def _join_bundle(bundle: Any) -> None:
    if not isinstance(bundle, dict):
        raise ValueError("no MIME bundle")
    for mime, value in bundle.items():
        if not _is_json(mime):
            bundle[mime] = _joined(value)


def _is_json(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json"))


def _lines(value: str, before: object = None) -> str | list[str]:
    return value if isinstance(before, str) else value.splitlines(keepends=True)


def _bundle(bundle: Json, before: object = None) -> Json:
    earlier = before if isinstance(before, dict) else {}
    return {mime: _mime_value(mime, value, earlier.get(mime)) for mime, value in bundle.items()}


def _mime_value(mime: str, value: Any, before: object) -> Any:
    if not isinstance(value, str) or _is_json(mime) or isinstance(before, str):
        return value
    split = isinstance(before, list) or mime.startswith("text/") or mime in _SPLIT_TYPES
    return value.splitlines(keepends=True) if split else value


def _output(output: Json, before: Json | None) -> Json:
    earlier = before if isinstance(before, dict) else {}
    written = {key: value for key, value in output.items() if key != "transient"}
    if "data" in output:
        written["data"] = _bundle(output["data"], earlier.get("data"))
    if output.get("output_type") == "stream":
        written["text"] = _lines(output["text"], earlier.get("text"))
    elif output.get("output_type") in ("display_data", "execute_result"):
        written.setdefault("metadata", {})
    return written


def _arranged(value: Any, before: Any) -> Any:
    """`value` with its keys in the order of `before` and, where both are equal, exactly as it is written there.

    What `before` does not have is in alphabetical order: a shared document has no order of its own.
    """
    if isinstance(value, dict):
        earlier = before if isinstance(before, dict) else {}
        known = {key: _arranged(value[key], earlier[key]) for key in earlier if key in value}
        return known | {key: _arranged(value[key], None) for key in sorted(value.keys() - earlier.keys())}
    if isinstance(value, list):
        earlier_parts = before if isinstance(before, list) else []
        missing = [None] * (len(value) - len(earlier_parts))
        return [_arranged(new, old) for new, old in zip(value, earlier_parts + missing, strict=False)]
    return before if value == before and type(value) is not bool and type(before) is not bool else value
