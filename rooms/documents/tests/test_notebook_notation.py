"""Notebook files: what nobody edited stays as it is written."""

import json
from typing import Any

import pytest
from pycrdt import Doc

from rooms.documents.base import NotADocumentError, NotRenderableError
from rooms.documents.notebook import Notebook

from .notebooks import as_bytes, code, markdown, notebook

PLOT = {
    "output_type": "display_data",
    "data": {
        "text/plain": ["<Figure>\n", "x"],
        "image/png": "iVBORw0KGgo=\n",
        "application/json": ["a", "b"],
        "application/vnd.x+json": {"z": 1.5, "a": [1, {"c": None}]},
        "image/svg+xml": ["<svg>\n", "</svg>"],
    },
    "metadata": {},
}
STREAM = {"output_type": "stream", "name": "stdout", "text": ["one\n", "two"]}
ERROR = {"output_type": "error", "ename": "E", "evalue": "é", "traceback": ["\u001b[0;31m", "b"]}
WHOLE = notebook(
    code("import x\nx.y()", "a1", outputs=[STREAM, PLOT, ERROR], execution_count=3, metadata={"tags": ["t"]}),
    markdown("# Title é", "b2", attachments={"p.png": {"image/png": "iVBO"}}),
    {"cell_type": "raw", "id": "c3", "metadata": {}, "source": ""},
    metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
)
PLAIN: dict[str, Any] = {"indent": None, "separators": (",", ":")}


def variants() -> dict[str, bytes]:
    own_order = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"z": 1, "a": {"y": 2, "b": 3}},
        "cells": WHOLE["cells"],
    }
    one_string = WHOLE | {"cells": [WHOLE["cells"][0] | {"outputs": [STREAM | {"text": "one\ntwo"}]}]}
    return {
        "nbformat": as_bytes(WHOLE),
        "two spaces": as_bytes(WHOLE, indent=2),
        "tabs": as_bytes(WHOLE, indent="\t"),
        "one line": as_bytes(WHOLE, **PLAIN),
        "one line, spaced": as_bytes(WHOLE, indent=None),
        "escaped": as_bytes(WHOLE, ensure_ascii=True),
        "order of its own": as_bytes(own_order, sort_keys=False),
        "CRLF": as_bytes(WHOLE).replace(b"\n", b"\r\n"),
        "no newline at the end": as_bytes(WHOLE).rstrip(),
        "byte order mark": b"\xef\xbb\xbf" + as_bytes(WHOLE),
        "sources in one string": (json.dumps(one_string, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode(),
        "no ids (4.4)": as_bytes(notebook(code("a"), code("a"), markdown("b"), minor=4)),
        "ids in 4.4": as_bytes(notebook(code("a", "x"), markdown("b"), minor=4)),
        "some ids missing": as_bytes(notebook(code("a"), code("b", "x"))),
        "floats": as_bytes(notebook(code("a", "x", metadata={"n": 1.0, "m": 2.5, "b": True, "big": 1e300}))),
        "empty kernelspec": as_bytes(
            notebook(code("a", "a"), metadata={"kernelspec": {"name": "", "display_name": ""}})
        ),
        "more at the top": as_bytes(WHOLE | {"signature": "s"}),
        "keys of its own in cells": as_bytes(notebook(code("a", "x", collapsed=True, deep={"b": {"z": 1, "a": 2}}))),
    }  # fmt: skip


@pytest.mark.parametrize("name", variants())
def test_what_nobody_edited_is_written_byte_for_byte(name):
    data = variants()[name]
    parsed = Notebook.parse(data)
    document = Notebook(Doc())
    document.fill(parsed.content)
    assert parsed.notation.render(document.content()) == data


@pytest.mark.parametrize("name", variants())
def test_an_edit_changes_only_the_lines_that_it_is_about(name):
    data = variants()[name]
    parsed = Notebook.parse(data)
    document = Notebook(Doc())
    document.fill(parsed.content)
    document.cells[0]["source"].insert(0, "edited")
    before, after = data.split(b"\n"), parsed.notation.render(document.content()).split(b"\n")
    if name in ("one line", "one line, spaced"):
        before, after = data.split(b" "), parsed.notation.render(document.content()).split(b" ")
    different = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert len(different) == 1
    assert b"edited" in different[0][1]


def test_an_inserted_cell_is_written_as_nbformat_does_it():
    parsed = Notebook.parse(as_bytes(WHOLE))
    document = Notebook(Doc())
    document.fill(parsed.content)
    document.cells.append(document.new_cell(code("new", "d4")))
    expected = WHOLE | {"cells": [*WHOLE["cells"], code("new", "d4")]}
    assert parsed.notation.render(document.content()) == as_bytes(expected)


def test_a_cell_that_is_added_to_a_notebook_without_ids_has_none_there():
    parsed = Notebook.parse(as_bytes(notebook(code("a"), minor=4)))
    document = Notebook(Doc())
    document.fill(parsed.content)
    document.cells.append(document.new_cell(code("new", "d4")))
    assert b'"id"' not in parsed.notation.render(document.content())


def test_trust_is_not_read_from_a_file():
    parsed = Notebook.parse(as_bytes(notebook(code("a", "x", metadata={"trusted": True}))))
    assert parsed.content["cells"][0]["metadata"] == {}


def test_two_cells_of_one_id_are_told_apart():
    parsed = Notebook.parse(as_bytes(notebook(code("a", "x"), code("b", "x"))))
    assert len({cell["id"] for cell in parsed.content["cells"]}) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b'{"nbformat": 3, "worksheets": []}', b'{"nbformat": 4, "cells": {}}',
        b'{"nbformat": 4, "cells": [1]}', b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "other", "source": ""}]}',
        b'{"nbformat": 4, "cells": [], "metadata": 1}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "outputs": [1]}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "outputs": [{"output_type": "stream", '
        b'"text": 1}]}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "", "attachments": {"a": 1}}]}',
        b'{"nbformat": 4, "cells": [], "metadata": {"deep": ' + b"[" * 200 + b"]" * 200 + b"}}",
        b'{"nbformat": 4, "cells": [' + b"[" * 100_000, as_bytes(WHOLE)[:-30],
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(data):
    with pytest.raises(NotADocumentError):
        Notebook.parse(data)


def test_what_unicode_cannot_hold_is_not_rendered():
    parsed = Notebook.parse(as_bytes(WHOLE))
    parsed.content["cells"][0]["source"] = "\ud800"
    with pytest.raises(NotRenderableError):
        parsed.notation.render(parsed.content)


def test_what_is_added_to_a_file_with_an_order_of_its_own_is_written_the_same_each_time():
    data = variants()["order of its own"]
    rendered = set()
    for _ in range(5):
        parsed = Notebook.parse(data)
        document = Notebook(Doc())
        document.fill(parsed.content)
        added = code(
            "new", "d4", metadata={"z": {"y": 1, "x": [{"w": 1, "v": 2}]}, "a": 1}, outputs=[STREAM | {"text": "x"}]
        )
        document.cells.append(document.new_cell(added))
        rendered.add(parsed.notation.render(document.content()))
    assert len(rendered) == 1
