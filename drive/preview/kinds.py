"""File types, and the preview of a file on its page."""

from dataclasses import dataclass, field
from typing import BinaryIO

from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

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
    b"PK\x03\x04": gettext_lazy("This is a ZIP archive, or a document in one."),
    b"\x1f\x8b": gettext_lazy("This is compressed (gzip)."),
    b"BZh": gettext_lazy("This is compressed (bzip2)."),
    b"\xfd7zXZ": gettext_lazy("This is compressed (xz)."),
    b"\x28\xb5\x2f\xfd": gettext_lazy("This is compressed (zstd)."),
    b"7z\xbc\xaf": gettext_lazy("This is a 7-Zip archive."),
    b"\x7fELF": gettext_lazy("This is a program or library for Linux."),
    b"\x89HDF\r\n": gettext_lazy("This is data in HDF5."),
    b"CDF": gettext_lazy("This is data in NetCDF."),
    b"\x93NUMPY": gettext_lazy("This is an array of NumPy."),
    b"SQLite format 3\0": gettext_lazy("This is a database of SQLite."),
    b"PAR1": gettext_lazy("This is data in Parquet."),
    b"OggS": gettext_lazy("This is sound or video (Ogg)."),
    b"ID3": gettext_lazy("This is sound (MP3)."),
    b"RIFF": gettext_lazy("This is sound or video (RIFF)."),
    b"II*\0": gettext_lazy("This is a picture in TIFF."),
    b"MM\0*": gettext_lazy("This is a picture in TIFF."),
}
_SPECIAL = {
    "pipe": gettext_lazy("This is a pipe. Special files are not opened."),
    "socket": gettext_lazy("This is a socket. Special files are not opened."),
    "device": gettext_lazy("This is a device. Special files are not opened."),
}


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
        return Preview("nothing", gettext("This is a symbolic link. Symbolic links are not followed."))
    said = _SPECIAL.get(item.special) or gettext("This is a special file. Special files are not opened.")
    return Preview("nothing", str(said))


def of_file(source: BinaryIO, name: str, size: int, base: str, folder: str, pages: str = "") -> Preview:
    """Preview of a file. Links in Markdown are the folder's, whose files are below `base`, and pages below `pages`."""
    content = source.read(SHOWN + 1)
    if not content:
        return Preview("empty")
    ending = pictures.extension(name)
    form = format_of(name)
    if form and (form.is_text or read_text(content[:SHOWN], is_cut=len(content) > SHOWN) is None):
        if size > form.most:
            return Preview("nothing", gettext("This %(name)s is too large to show here.") % {"name": form.name})
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
            return str(what)
    if content[4:8] == b"ftyp":
        return gettext("This is sound or video (MPEG-4).")
    return gettext("No preview for this type of file.")


def _picture(size: int) -> Preview:
    if size > PICTURE:
        return Preview("nothing", gettext("This picture is too large to show here."))
    return Preview("picture")


def _notes(text: Text, most: int = SHOWN) -> list[str]:
    notes = []
    if text.encoding != "UTF-8":
        if text.encoding in GUESSED:
            said = gettext("Shown as %(encoding)s (a guess: the file is not UTF-8).")
        else:
            said = gettext("Shown as %(encoding)s.")
        notes.append(said % {"encoding": text.encoding})
    if text.is_cut:
        said = gettext("Only the first %(number)s KB are shown. Download the file to see all of it.")
        notes.append(said % {"number": most // 1024})
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
