"""Rows of the table of a folder's page. Written in Python: a template takes thirty times as long for each of them.

All that a name can hold is escaped or quoted here, as autoescape would.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from urllib.parse import quote, urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.formats import get_format, number_format
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from drive.files.library_access import LibraryAccess
from drive.files.paths import name_in_form, quoted
from drive.preview.thumbnails import has_thumbnail
from drive.storage import FileEntry

NOTEBOOK = ".ipynb"
UNITS = 5
"""KB, MB, GB, TB, PB: the units of sizes above bytes."""


ICONS = {
    "notebook": "ipynb",
    "text": "md txt rst tex log",
    "code": "py r jl m c cc cpp h hpp js ts sh sql java rs go json yaml yml toml xml html css",
    "table": "csv tsv xlsx xls ods parquet",
    "picture": "png jpg jpeg gif svg webp bmp tif tiff heic dcm",
    "sound": "wav mp3 ogg flac m4a",
    "video": "mp4 webm mov avi mkv",
    "archive": "zip gz tar tgz bz2 xz 7z zst",
    "data": "h5 hdf5 nwb mat npy npz nii mgh mgz nc edf pkl",
    "pdf": "pdf",
}
"""Classes of the icons of files (static/css/files.css), by extension; a file of any other has the plain one."""
_ICON = {extension: f"file k-{kind}" for kind, extensions in ICONS.items() for extension in extensions.split()}


def icon_of(name: str) -> str:
    """CSS classes of a file with this name."""
    ending = name.removesuffix(".gz") if name.endswith((".nii.gz", ".csv.gz")) else name
    return _ICON.get(ending.rpartition(".")[2].lower(), "file")


@dataclass(frozen=True)
class _Words:
    """The words of rows in one language, escaped for HTML; `%s` is where a name, a size or a kind goes."""

    months: tuple[str, ...]
    date_format: str
    sizes: tuple[str, ...]
    """By unit, from KB on."""
    point: str
    select: str
    actions: str
    open_in_lab: str
    unreachable: str
    link: str
    special: str


@cache
def _words_in(language: str | None) -> _Words:  # the active one, by which they are kept
    one = number_format(1.0, 1, use_l10n=True)
    return _Words(
        tuple(str(MONTHS_3[number]).title() for number in range(1, 13)),
        get_format("DATE_FORMAT"),
        tuple(filesizeformat(1 << 10 * power).replace(one, "%s") for power in range(1, UNITS + 1)),
        one.strip("10"),
        escape(gettext("Select %s")),
        escape(gettext("Actions for %s")),
        escape(gettext("Open in Lab")),
        escape(gettext("name is not valid UTF-8: rename it")),
        escape(gettext("symbolic link, not followed")),
        escape(gettext("special file, not opened: %s")),
    )


def _words() -> _Words:
    return _words_in(get_language())


@dataclass(frozen=True)
class _Folder:
    """What is the same for all rows of a page."""

    here: str
    """Address of the folder, escaped for HTML; ends with a slash."""
    lab: str
    """Address that opens a notebook in the Lab up to the path in it, and that path; "" without a Lab."""
    lab_path: str
    shows_authors: bool
    has_menu: bool
    checked: str
    words: _Words


def html_of_rows(
    rows: Iterable[tuple[FileEntry, str]], access: LibraryAccess, path: str, *, all_selected: bool
) -> SafeString:
    """Rows of these entries of the folder, each with its last author."""
    folder = _Folder(
        escape(access.folder_address(path)),
        reverse("lab:open"),
        access.lab_path(path),
        access.entry is not None,
        access.entry is not None,
        " checked" if all_selected else "",
        _words(),
    )
    here = timezone.get_current_timezone()
    found = (_row(folder, item, author, item.modified.astimezone(here)) for item, author in rows)
    return SafeString("".join(found))


def _row(folder: _Folder, item: FileEntry, author: str, modified: datetime) -> str:
    words = folder.words
    field, shown, day = name_in_form(item.name), escape(item.shown_name), day_of(modified, words)
    size = size_of(item.size, words) if item.kind == "file" else ""
    weight = f' data-bytes="{item.size}"' if item.kind == "file" else ""
    by = f'\n    <td class="meta wide-only">{escape(author)}</td>' if folder.shows_authors else ""
    return (
        f'\n  <tr>\n    <td class="pick"><input type="checkbox" name="name" value="{field}" form="selection"'
        f' aria-label="{words.select % shown}"{weight}{folder.checked}></td>'
        f'\n    <td class="name">{_name(folder, item, shown, size, day)}</td>'
        f'\n    <td class="number wide-only">{size}</td>'
        f'\n    <td class="meta wide-only"><time datetime="{modified.isoformat()}">{day}, {modified:%H:%M}</time></td>'
        f"{by}"
        f'\n    <td class="actions">{_actions(folder, item, field, shown)}</td>\n  </tr>'
    )


def _name(folder: _Folder, item: FileEntry, shown: str, size: str, day: str) -> str:
    """The name, as a link where it can be opened; else with the reason why not."""
    if not item.reachable:
        return f'{shown} <span class="badge">{folder.words.unreachable}</span>'
    if item.kind == "link":
        return f'{shown} <span class="badge">{folder.words.link}</span>'
    if item.kind == "other":
        return f'{shown} <span class="badge">{folder.words.special % escape(item.special)}</span>'
    address = f"{folder.here}{quoted(item.name)}"
    if item.kind == "folder":
        return f'<a href="{address}/" class="folder">{shown}/</a>'
    picture = " data-thumbnail" if has_thumbnail(item.name, item.size) else ""
    return f'<a href="{address}" class="{icon_of(item.name)}" data-facts="{size} · {day}"{picture}>{shown}</a>'


def _actions(folder: _Folder, item: FileEntry, field: str, shown: str) -> str:
    found = ""
    if folder.lab_path and item.kind == "file" and item.name.endswith(NOTEBOOK) and item.reachable:
        address = escape(f"{folder.lab}?{urlencode({'path': f'{folder.lab_path}/{item.name}'})}")
        found = f'\n      <a class="button small" href="{address}">{folder.words.open_in_lab}</a>'
    if folder.has_menu:
        found += (
            f'\n      <a class="button quiet small" href="{folder.here}?show=change&amp;name={quote(field)}"'
            f' data-entry="{field}" data-name="{shown}" aria-label="{folder.words.actions % shown}">…</a>'
        )
    return found


def day_of(moment: datetime, words: _Words | None = None) -> str:
    """“5 Mar 2026” or “05.03.2026”, as the template filter `date` with DATE_FORMAT, of which it knows these letters."""
    words = words or _words()
    parts = {
        "j": f"{moment.day}",
        "d": f"{moment.day:02}",
        "m": f"{moment.month:02}",
        "M": words.months[moment.month - 1],
        "Y": f"{moment.year}",
    }
    return "".join(parts.get(letter, letter) for letter in words.date_format)


def size_of(count: int, words: _Words | None = None) -> str:
    """“1.5 KB”, as the template filter `filesizeformat` for what is not negative."""
    if count < 1024:
        return filesizeformat(count)
    words = words or _words()
    power = min((count.bit_length() - 1) // 10, UNITS)
    return words.sizes[power - 1] % f"{count / (1 << 10 * power):.1f}".replace(".", words.point)
