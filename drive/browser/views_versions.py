"""A file's past: its versions, one of them, two side by side, and going back."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext

from drive.files import operations
from drive.files.library_access import LibraryAccess
from drive.files.past import opened, text_of
from drive.files.text_diff import TextLines, compare_texts
from drive.models import Version
from drive.preview import rendering
from drive.preview.sandbox import RenderFailedError
from drive.storage import StorageError
from drive.uploads import transfer
from drive.versions import history, retention
from portal.access import person

from . import frames

PER_PAGE = 50
NOW = "now"
"""Instead of a version's id: what is there now."""


def versions(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """All versions of a file, newest first."""
    found = history.versions_of(access.library, path)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = (
        _context(access, path)
        | _current(access, path)
        | {
            "page": page,
            "versions": history.with_contributors(page.object_list),
            "rules": retention.in_words(),
        }
    )
    return render(request, "drive/versions.html", context)


def _current(access: LibraryAccess, path: str) -> dict[str, object]:
    """What is at the path now, as the disk has it: a Lab may have written a moment ago, before any scan has seen it.

    `unsaved` is that file while no version holds it; `is_current` says that the newest version does.
    """
    row = history.of_path(access.library, path)
    try:
        with access.files() as files:
            entry = files.stat(path)
    except StorageError:
        return {"unsaved": None, "is_current": False}
    seen = row is not None and row.signature == entry.signature
    if row is not None and seen and row.is_captured:
        return {"unsaved": None, "is_current": True}
    by = history.author(row.changed_by, row.via) if row is not None and seen else str(history.IN_A_LAB)
    return {"unsaved": entry if entry.kind == "file" else None, "unsaved_by": by, "is_current": False}


def version(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """One version: its text, or what can be done with it."""
    found = history.find(access.library, path, request.GET.get("id", ""))
    context = _context(access, path) | {"version": found, "text": _text_of(access, path, str(found.pk))}
    return render(request, "drive/version.html", context)


def old(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The bytes of a version, as a download."""
    found = history.find(access.library, path, request.GET.get("id", ""))
    return transfer.send_version(request, found, path.rpartition("/")[2])


def compare(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Two versions of a text, line by line, or of a notebook, cell by cell; `a` and `b` are ids, or “now”."""
    older, newer = request.GET.get("a", ""), request.GET.get("b", NOW)
    context = _context(access, path) | {
        "older": _version_or_now(access, path, older),
        "newer": _version_or_now(access, path, newer),
    }
    if path.lower().endswith(".ipynb"):
        try:
            _compared(access, path, older, newer)
            shown = urlencode({"show": "compared", "a": older, "b": newer})
            return render(request, "drive/compare.html", context | {"compared": f"{access.address(path)}?{shown}"})
        except RenderFailedError as error:
            context["why_no_cells"] = gettext(str(error))
    texts = _text_of(access, path, older), _text_of(access, path, newer)
    context["blocks"] = compare_texts(*texts) if texts[0].is_text and texts[1].is_text else None
    return render(request, "drive/compare.html", context)


def compared(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Two versions of a notebook beside each other, for the frame on the page of the comparison."""
    try:
        content = rendering.result(_compared(access, path, request.GET.get("a", ""), request.GET.get("b", NOW)))
    except RenderFailedError:
        content = None
    return redirect(f"{access.address(path)}?show=versions") if content is None else frames.still(content, access, path)


def _compared(access: LibraryAccess, path: str, older: str, newer: str) -> str:
    """The key of a comparison, made if it is not there."""
    versions = _version_or_now(access, path, older), _version_or_now(access, path, newer)
    with opened(access, path, versions[0]) as old_one, opened(access, path, versions[1]) as new_one:
        return rendering.compare_notebooks(old_one, new_one)


def go_back(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Put a version in the place of what is there."""
    found = history.find(access.library, path, request.POST.get("id", ""))
    try:
        operations.restore_version(person(request), found, path)
    except StorageError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            gettext("“%(name)s” was restored to the version of %(when)s.")
            % {"name": path.rpartition("/")[2], "when": date_format(found.modified, "DATETIME_SECONDS_FORMAT")},
        )
    return redirect(f"{access.address(path)}?show=versions")


def _context(access: LibraryAccess, path: str) -> dict:
    folder, _, name = path.rpartition("/")
    return {
        "access": access,
        "collab": access.collab,
        "path": path,
        "name": name,
        "here": access.address(path),
        "folder": access.folder_address(folder),
    }


def _version_or_now(access: LibraryAccess, path: str, which: str) -> Version | None:
    return None if which == NOW else history.find(access.library, path, which)


def _text_of(access: LibraryAccess, path: str, which: str) -> TextLines:
    return text_of(access, path, _version_or_now(access, path, which))
