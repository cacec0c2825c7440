"""Bytes as text."""

import codecs
import re
from dataclasses import dataclass

_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_WINDOWS = re.compile(rb"[\x80-\x9f]")
GUESSED = {"Latin-1", "Windows-1252"}


@dataclass(frozen=True)
class Text:
    """Decoded text, with its encoding."""

    text: str
    encoding: str
    """`UTF-8`, `UTF-16`, or as a guess `Latin-1` or `Windows-1252`."""
    is_cut: bool


def read_text(content: bytes, *, is_cut: bool) -> Text | None:
    """Bytes as text, or None where they are none; `is_cut`: whether there are more, so that the last may be half."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Text(_plain(codecs.getincrementaldecoder("utf-16")("replace").decode(content)), "UTF-16", is_cut)
    if b"\0" in content:
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, not is_cut)
    except UnicodeDecodeError:
        if len(_CONTROLS.findall(content)) * 50 > len(content):
            return None
        return _guess(content, is_cut)
    return Text(_plain(text), "UTF-8", is_cut)


def _guess(content: bytes, is_cut: bool) -> Text:
    """Text in one byte per character. In Latin-1 the bytes from 0x80 to 0x9f are no characters that anybody types."""
    if _WINDOWS.search(content):
        try:
            return Text(_plain(content.decode("cp1252")), "Windows-1252", is_cut)
        except UnicodeDecodeError:
            pass
    return Text(_plain(content.decode("latin-1")), "Latin-1", is_cut)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
