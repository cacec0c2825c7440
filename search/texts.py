"""Text of files as the search finds it: plain text and source code, and the sources of notebooks' cells.

Notebook code writes these files, so nothing here depends on what they hold: so many bytes are read, so many characters
are taken, and a notebook is never made into objects. Its tokens are looked at one after the other, and nesting is only
counted, so neither a deep one nor a million empty lists take memory.
"""

import codecs
import json
import re
from typing import BinaryIO

from drive.preview.formats import NOTEBOOK, ending_of, format_of
from drive.preview.texts import read_text

MOST_TEXT = 2**20
"""Bytes of a text file, and characters of a notebook's sources, that are read; what follows is not found."""
MOST_NOTEBOOK = 16 * 2**20
"""Bytes of a notebook that are looked at, with its outputs."""
MOST_TOKENS = 400_000
ENDINGS = frozenset(
    "md markdown mdown mkd rst txt text tex bib org adoc qmd rmd "
    "py r jl m sql sh bash ps1 yml yaml toml ini cfg js mjs ts c h cc cpp hpp cu java go rs f90 f "
    "lua pl rb stan smk".split()
)
"""Of names whose files are read as text; so are those without an ending, such as README. Data are not."""

_TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)\\?(?:"(\s*+:)?|\Z)|[{}\[\]]', re.DOTALL)
"""A string, with the colon behind one that is a key, or a bracket. One without an end goes to the end: otherwise each
quotation mark in it would be tried as a beginning."""
_ITEM = b"[]"
_OF_CELL = {(b"source",), (b"source", _ITEM), (b"input",), (b"input", _ITEM)}
_CELLS = ((b"cells", _ITEM), (b"worksheets", _ITEM, b"cells", _ITEM))
"""Of notebooks of format 4, and of those before."""
_PLACES = {(*cells, *of_cell) for cells in _CELLS for of_cell in _OF_CELL}
_DEEPEST = max(map(len, _PLACES))
_STRING = json.JSONDecoder(strict=False)
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def has_text(path: str) -> bool:
    """True for a file whose text is searched, by its name."""
    return format_of(path) is NOTEBOOK or ending_of(path.rpartition("/")[2]) in ENDINGS | {""}


def text_of(source: BinaryIO, path: str) -> str:
    """The text of a file; empty where it has none, or its name is none of a text."""
    if not has_text(path):
        return ""
    if format_of(path) is NOTEBOOK:
        return _plain(_sources(_utf8(source.read(MOST_NOTEBOOK))))
    content = source.read(MOST_TEXT)
    text = read_text(content, is_cut=bool(source.read(1)))
    return _plain(text.text) if text else ""


def _utf8(content: bytes) -> bytes:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("utf-8", "replace")
    return content


def _plain(text: str) -> str:
    """A text that a page and a database can hold."""
    return _CONTROLS.sub(" ", text)


def _sources(content: bytes) -> str:
    """The sources of a notebook's cells, a line at least for each. What is no notebook has none."""
    found: list[str] = []
    keys: list[bytes] = []
    """Where the scan is: the key in each object, `_ITEM` in each list, as deep as it matters."""
    depth, room = 0, MOST_TEXT
    for number, token in enumerate(_TOKEN.finditer(content)):
        sign = content[token.start() : token.start() + 1]
        if number > MOST_TOKENS or room <= 0:
            break
        if sign in b"{[":
            depth += 1
            if depth <= _DEEPEST:
                keys[depth - 1 :] = [_ITEM if sign == b"[" else b""]
        elif sign in b"}]":
            depth = max(0, depth - 1)
            del keys[depth:]
        elif depth > _DEEPEST:
            continue
        elif token[2]:
            if keys and keys[-1] is not _ITEM:
                keys[-1] = token[1]
                if (token[1],) in _OF_CELL:
                    found.append("\n")
        elif tuple(keys) in _PLACES:
            found.append(_string(token[1][: 4 * room])[:room])
            room -= len(found[-1])
    return "".join(found).strip()


def _string(content: bytes) -> str:
    """The string between two quotation marks of JSON."""
    try:
        text: str = _STRING.decode(f'"{content.decode("utf-8", "surrogatepass")}"')
    except ValueError:
        text = content.decode(errors="replace")
    return text
