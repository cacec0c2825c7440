"""Text editor. Typed text is never lost: its author gets it back, whatever becomes of the save."""

import os
from dataclasses import dataclass
from typing import Self

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from drive.files import operations
from drive.files.library_access import LibraryAccess
from drive.files.listing import crumbs
from drive.files.paths import quoted
from drive.files.text_diff import TextLines, compare_texts, read_lines
from drive.storage import ABSENT, ChangedError, FileEntry, NameTakenError, NotFoundError, StorageError, etag
from portal.access import person
from portal.text import markdown

MOST_BYTES = 2**20
"""Largest file, and largest text, that can be edited on a page (bytes)."""
BOM = "\ufeff"
SAVED = "#saved"
"""Tells static/js/site.js that the draft which the tab remembers is no longer one."""
ROOMS = "/drive/collaboration/"
"""Address of the rooms on the portal's origin (deploy/nginx.conf.template)."""
ENDINGS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}


class NotEditableError(StorageError):
    """The file is not text in UTF-8, or is too large to edit (409)."""

    status = 409


class TextTooLongError(StorageError):
    """The typed text is longer than a page takes (413)."""

    status = 413


def may_edit(access: LibraryAccess, item: FileEntry) -> bool:
    """True if a page offers to edit the file; its content is checked when the editor is opened."""
    return access.may_write and item.kind == "file" and item.size <= MOST_BYTES


@dataclass(frozen=True)
class Draft:
    """A text in the editor, and what the editor cannot show of it."""

    text: str
    """With `\\n` for every line's end."""
    etag: str
    """The version that it is made from; ABSENT for none."""
    ending: str = "lf"
    bom: str = ""
    mixed: bool = False
    """True if the file has several kinds of line endings."""

    @classmethod
    def of_content(cls, content: bytes, etag: str) -> Self:
        """The file's text; NotEditableError for anything else."""
        if len(content) > MOST_BYTES:
            raise NotEditableError(gettext("Files of more than 1 MB cannot be edited here. Open the file in the Lab."))
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise NotEditableError(gettext("Only text files in UTF-8 can be edited here.")) from error
        if "\0" in text:
            raise NotEditableError(gettext("Only text files can be edited here."))
        crlf = text.count("\r\n")
        counts = {"lf": text.count("\n") - crlf, "crlf": crlf, "cr": text.count("\r") - crlf}
        ending = max(counts, key=lambda name: counts[name])
        mixed = sum(map(bool, counts.values())) > 1
        bom = "1" if text.startswith(BOM) else ""
        return cls(_plain(text.removeprefix(BOM)), etag, ending, bom, mixed)

    @classmethod
    def of_form(cls, request: HttpRequest) -> Self:
        """The draft that a form sent."""
        form = request.POST
        ending = form.get("ending", "")
        return cls(
            _plain(form.get("text", "")),
            form.get("etag") or ABSENT,
            ending if ending in ENDINGS else "lf",
            "1" if form.get("bom") else "",
        )

    @property
    def content(self) -> bytes:
        """The bytes of the file; TextTooLongError for too many."""
        text = (BOM if self.bom else "") + self.text.replace("\n", ENDINGS[self.ending])
        content = text.encode(errors="replace")
        if len(content) > MOST_BYTES:
            raise TextTooLongError(gettext("Texts of more than 1 MB cannot be saved here. Nothing was changed."))
        return content


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def edit(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The editor."""
    return _editor(request, access, path, _read(access, path))


def _read(access: LibraryAccess, path: str) -> Draft:
    with access.files() as files, files.open(path) as source:
        tag = etag(os.fstat(source.fileno()))  # before reading: what is written meanwhile is another version
        content = source.read(MOST_BYTES + 1)
    return Draft.of_content(content, tag)


def _editor(
    request: HttpRequest,
    access: LibraryAccess,
    path: str,
    draft: Draft,
    error: StorageError | None = None,
    **more: object,
) -> HttpResponse:
    folder, _, name = path.rpartition("/")
    is_markdown = markdown.is_markdown(name)
    context = {
        "is_markdown": is_markdown,
        "session": _session_address(access, path),
        "preview": _rendered(access, folder, draft) if is_markdown else "",
        "access": access,
        "collab": access.collab,
        "name": name,
        "here": access.address(path),
        "crumbs": crumbs(folder),
        "beyond": name,
        "draft": draft,
        "most": MOST_BYTES,
        "error": error,
        **more,
    }
    return render(request, "drive/edit.html", context, status=error.status if error else 200)


def _session_address(access: LibraryAccess, path: str) -> str:
    """Where the page asks for the file's room (the process `rooms`); "" where people do not edit together."""
    collab = access.library.owner_collab
    if not settings.COEDITING or (collab and not collab.coediting):
        return ""
    return f"{ROOMS}session/{access.library.pk}/{quoted(access.inside(path))}"


def _rendered(access: LibraryAccess, folder: str, draft: Draft) -> str:
    text = draft.text[: markdown.MAX_LENGTH]
    return markdown.render(text, base=access.base, folder=folder, pages=access.pages)


def preview(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The typed Markdown as it is shown: the part of the page while its author types, or the page without scripts."""
    draft = Draft.of_form(request)
    if not request.htmx:  # type: ignore[attr-defined]
        return _editor(request, access, path, draft, unsaved=True)
    html = _rendered(access, path.rpartition("/")[0], draft)
    return render(request, "drive/_edit_preview.html", {"preview": html})


def save(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Write what was typed in the place of the version that it was made from, and of no other."""
    draft = Draft.of_form(request)
    try:
        operations.write(person(request), access.library, access.inside(path), draft.content, if_match=draft.etag)
    except (ChangedError, NameTakenError) as error:
        return _choose(request, access, path, draft, error)
    except StorageError as error:
        return _editor(request, access, path, draft, error)
    messages.success(request, gettext("Saved."))
    return redirect(f"{access.address(path)}{'?show=edit' if request.POST.get('stay') else ''}{SAVED}")


def _choose(request: HttpRequest, access: LibraryAccess, path: str, mine: Draft, error: StorageError) -> HttpResponse:
    """Page of an edit conflict: the saved text and the typed one, to choose from."""
    try:
        with access.files() as files, files.open(path) as source:
            tag = etag(os.fstat(source.fileno()))
            theirs = read_lines(source)
    except NotFoundError:
        again = Draft(mine.text, ABSENT, mine.ending, mine.bom)
        return _editor(request, access, path, again, error, gone=True)
    except StorageError as other:
        return _editor(request, access, path, mine, other)
    draft = Draft(mine.text, tag, mine.ending, mine.bom)
    blocks = compare_texts(theirs, TextLines(mine.text.splitlines())) if theirs.is_text else None
    return _editor(request, access, path, draft, error, theirs=theirs, blocks=blocks)
