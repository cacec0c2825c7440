"""File types, and the preview of a file on its page."""

from dataclasses import dataclass, field
from typing import BinaryIO

from django.utils.safestring import SafeString

from drive.storage import FileEntry
from portal.text import colouring
from portal.text.markdown import MAX_LENGTH, is_markdown, render

from . import media, pictures
from .formats import format_of
from .tables import Table, read_table
from .texts import GUESSED, Text, read_text

SHOWN = 512 * 1024
"""Bytes of a text that are shown."""
COLOURED = 256 * 1024
"""Bytes of code that are shown in colours."""
PICTURE = 64 * 2**20
"""Bytes of a picture that a page asks a browser to load."""

TABLES = {"csv", "tsv", "tab"}
_KNOWN = {
    b"PK\x03\x04": "a ZIP archive, or a document in one",
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x7fELF": "a program or library for Linux",
    b"\x89HDF\r\n": "data in HDF5",
    b"CDF": "data in NetCDF",
    b"\x93NUMPY": "an array of NumPy",
    b"SQLite format 3\0": "a database of SQLite",
    b"PAR1": "data in Parquet",
    b"OggS": "sound or video (Ogg)",
    b"ID3": "sound (MP3)",
    b"RIFF": "sound or video (RIFF)",
    b"II*\0": "a picture in TIFF",
    b"MM\0*": "a picture in TIFF",
}
_SPECIAL = {"pipe": "a pipe", "socket": "a socket", "device": "a device"}


@dataclass(frozen=True)
class Preview:
    """Preview of a file; which of the fields are set depends on the kind."""

    kind: str
    """`picture`, `audio`, `video`, `markdown`, `code`, `text`, `table`, `rendered`, `empty` or `nothing`."""
    why: str = ""
    """For `nothing`: the reason, as a sentence."""
    text: str = ""
    html: SafeString | None = None
    table: Table | None = None
    notes: list[str] = field(default_factory=list)

    encoding: str = ""
    has_table: bool = False
    """Whether a script may sort and filter what is shown."""

    @property
    def is_text(self) -> bool:
        """True if it can be edited as text."""
        return self.encoding == "UTF-8" or self.kind == "empty"

    @property
    def line_numbers(self) -> str:
        """For `code`: 1, 2, …, each in a line."""
        lines = self.text.removesuffix("\n").count("\n") + 1
        return "\n".join(map(str, range(1, lines + 1)))


def of_special(item: FileEntry) -> Preview:
    """Preview of a symbolic link or special file, none of which is ever opened."""
    if item.kind == "link":
        return Preview("nothing", "This is a symbolic link. Symbolic links are not followed.")
    return Preview("nothing", f"This is {_SPECIAL.get(item.special, 'a special file')}. Special files are not opened.")


def of_file(source: BinaryIO, name: str, size: int, base: str, folder: str, pages: str = "") -> Preview:
    """Preview of a file. Links in Markdown are the folder's, whose files are below `base`, and pages below `pages`."""
    content = source.read(SHOWN + 1)
    if not content:
        return Preview("empty")
    ending = pictures.extension(name)
    form = format_of(name)
    if form and (form.is_text or read_text(content[:SHOWN], is_cut=len(content) > SHOWN) is None):
        if size > form.most:
            return Preview("nothing", f"This {form.name} is too large to show here.")
        return Preview("rendered", has_table=form.shows == "tables")
    if ending in pictures.TYPES and ending != "svg" and pictures.is_picture(content):
        return _picture(size)
    if ending in media.TYPES and media.is_playable(content):
        return Preview("audio" if ending in media.AUDIO else "video")
    text = read_text(content[:SHOWN], is_cut=len(content) > SHOWN)
    if text is None:
        return Preview("nothing", _what(content))
    if ending == "svg" and "<svg" in text.text:
        return _picture(size)
    if is_markdown(name) and text.encoding == "UTF-8":
        return _markdown(text, base, folder, pages)
    return (_table(text, name) if ending in TABLES else None) or _code(text, name)


def as_text(source: BinaryIO, name: str) -> Preview:
    """Preview of a file as text, whatever its type."""
    content = source.read(SHOWN + 1)
    text = read_text(content[:SHOWN], is_cut=len(content) > SHOWN)
    return Preview("nothing", _what(content)) if text is None else _code(text, name)


def _what(content: bytes) -> str:
    for magic, what in _KNOWN.items():
        if content.startswith(magic):
            return f"This is {what}."
    if content[4:8] == b"ftyp":
        return "This is sound or video (MPEG-4)."
    return "No preview for this type of file."


def _picture(size: int) -> Preview:
    if size > PICTURE:
        return Preview("nothing", "This picture is too large to show here.")
    return Preview("picture")


def _notes(text: Text, most: int = SHOWN) -> list[str]:
    notes = []
    if text.encoding != "UTF-8":
        guess = " (a guess: the file is not UTF-8)" if text.encoding in GUESSED else ""
        notes.append(f"Shown as {text.encoding}{guess}.")
    if text.is_cut:
        notes.append(f"Only the first {most // 1024} KB are shown. Download the file to see all of it.")
    return notes


def _markdown(text: Text, base: str, folder: str, pages: str) -> Preview:
    cut = Text(text.text, text.encoding, text.is_cut or len(text.text) > MAX_LENGTH)
    html = render(cut.text, base=base, folder=folder, pages=pages)
    return Preview("markdown", html=html, notes=_notes(cut, MAX_LENGTH), encoding=text.encoding)


def _table(text: Text, name: str) -> Preview | None:
    table = read_table(text, name)
    if table is None:
        return None
    notes = _notes(Text("", text.encoding, False)) + table.notes
    return Preview("table", table=table, notes=notes, encoding=text.encoding, has_table=True)


def _code(text: Text, name: str) -> Preview:
    lexer = colouring.lexer_of(name)
    if not lexer:
        return Preview("text", text=text.text, notes=_notes(text), encoding=text.encoding)
    small = len(text.text) <= COLOURED and not text.is_cut
    html = colouring.coloured(lexer, text.text) if small else None
    return Preview("code", text=text.text, html=html, notes=_notes(text), encoding=text.encoding)
