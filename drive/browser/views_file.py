"""One file: its page, and its bytes."""

import os
from dataclasses import replace
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from drive.files.library_access import LibraryAccess
from drive.files.listing import crumbs
from drive.files.paths import name_in_form
from drive.preview import kinds, rendering, sandbox, thumbnails
from drive.preview.formats import Format, format_of
from drive.preview.tables import rendered as rendered_tables
from drive.storage import FileEntry, NotAFileError, StorageError
from drive.uploads import transfer
from drive.versions import history
from portal.ops.task_queue import publish
from portal.web import rate_limits

from . import frames
from .views_edit import may_edit
from .views_folder import actions_of


def page(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Page of a file, with a preview of its content or a sentence why there is none."""
    with access.files() as files:
        item = files.stat(path)
    preview = _preview(access, path, item, as_text=request.GET.get("as") == "text")
    context = about(access, path, item) | {"preview": preview}
    if access.entry:
        context |= _menu(access, path, item)
    if preview.kind == "rendered":
        context |= _shown(request, access, path)
    return render(request, "drive/file.html", context, status=200 if item.kind == "file" else 409)


def preview_context(request: HttpRequest, access: LibraryAccess, path: str) -> dict[str, object]:
    """Context of `drive/_preview.html`, on another page than the file's; empty where there is nothing to see.

    Raises StorageError where there is no file.
    """
    with access.files() as files:
        item = files.stat(path)
    preview = _preview(access, path, item, as_text=False)
    context = {"preview": preview, "item": item, "path": path, "name": path.rpartition("/")[2]}
    context |= {"here": access.address(path), "lab_path": access.lab_path(path)}
    if preview.kind == "rendered":
        context |= _shown(request, access, path)
    state = context.get("state")
    if preview.kind in ("nothing", "empty") or (isinstance(state, rendering.State) and state.name == "failed"):
        return {}
    return context


def _menu(access: LibraryAccess, path: str, item: FileEntry) -> dict[str, object]:
    """Template context of the menu of a file's page: what has no button of its own beside it."""
    folder, _, name = path.rpartition("/")
    field = name_in_form(name)
    found = {key: value for key, value in actions_of(access, path, item).items() if key.startswith("copy_")}
    change = f"{access.folder_address(folder)}?{urlencode({'show': 'change', 'name': field})}"
    return found | {"field": field, "folder_path": folder, "rename_at": change if access.may_write else ""}


def about(access: LibraryAccess, path: str, item: FileEntry) -> dict[str, object]:
    """Template context of all pages of a file."""
    folder, _, name = path.rpartition("/")
    inside = access.inside(path)
    return {
        "access": access,
        "library": access.library,
        "collab": access.collab,
        "item": item,
        "path": path,
        "name": name,
        "here": access.address(path),
        "as_page": access.page_address(path),
        "folder": access.folder_address(folder),
        "crumbs": crumbs(folder),
        "beyond": name,
        "author": history.last_authors(access.library, [inside]).get(inside, "") if access.entry else "",
        "lab_path": access.lab_path(path),
        "may_edit": may_edit(access, item),
    }


def _preview(access: LibraryAccess, path: str, item: FileEntry, *, as_text: bool) -> kinds.Preview:
    """Without what makes a page: a file that vanished or cannot be read has one too."""
    if item.kind != "file":
        return kinds.of_special(item)
    folder, _, name = path.rpartition("/")
    try:
        with access.files() as files, files.open(path) as source:
            if as_text:
                return kinds.as_text(source, name)
            return kinds.of_file(source, name, item.size, access.base, folder)
    except StorageError as error:
        return kinds.Preview("nothing", str(error))


RENDERINGS = 30
"""So many files a minute may one person, or one network address, have rendered: each may take many seconds."""

THUMBNAILS = 240
"""The same of small pictures, each of which takes a part of a second."""


def _state(request: HttpRequest, access: LibraryAccess, path: str) -> rendering.State:
    """State of the rendering of a file; queues it if nobody has."""
    form = _format(path)
    with access.files() as files, files.open(path) as source:
        if rendering.is_being_written(source, path):
            return rendering.State(
                "waiting", gettext("This file is being written. It is shown when it no longer changes.")
            )
        key = rendering.key(source, path)
    state = rendering.state(key)
    if state.name == "ready":
        return replace(state, about=rendering.about(key))
    if state.name != "none":
        return state
    if form.science and not sandbox.has_science():
        return rendering.State(
            "failed", gettext("What shows files of this type is being installed. Reload in a minute or two.")
        )
    if not rate_limits.allowed("rendering", _whose(request), RENDERINGS, 60):
        return rendering.State("failed", gettext("Too many previews requested. Please try again in a minute."))
    if rendering.want(key) and not publish("drive.tasks.render_preview", str(access.library.pk), access.inside(path)):
        rendering.unwant(key)
        return rendering.State(
            "failed", gettext("This file cannot be rendered right now. Please try again in a minute.")
        )
    return rendering.State("waiting")


def _whose(request: HttpRequest) -> str:
    """For the limits: the person, or the network address of a visitor."""
    return str(request.user.pk) if request.user.is_authenticated else rate_limits.address(request)


def _format(path: str) -> Format:
    form = format_of(path)
    if form is None:
        raise NotAFileError(gettext("Files of this type are not rendered."))
    return form


def result(access: LibraryAccess, path: str) -> bytes | None:
    """What was rendered of a file as it is now; None where there is nothing."""
    with access.files() as files, files.open(path) as source:
        return rendering.result(rendering.key(source, path))


def _shown(request: HttpRequest, access: LibraryAccess, path: str) -> dict[str, object]:
    """Template context of what was rendered, or of why it is not."""
    form, state = _format(path), _state(request, access, path)
    context: dict[str, object] = {"state": state, "format": form, "sheet": request.GET.get("sheet", "")}
    if form.shows == "tables" and state.name == "ready" and (content := result(access, path)):
        sheets = rendered_tables.read(content)
        context |= {"sheets": sheets, "sheet": rendered_tables.choose(sheets, request.GET.get("sheet", ""))}
        if not sheets:
            context["state"] = rendering.State("failed", gettext("This file could not be rendered."))
    return context


def rendering_state(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Fragment that the page of a file polls while it is rendered."""
    context = {"path": path, "here": access.address(path), "name": path.rpartition("/")[2]}
    context |= {"lab_path": access.lab_path(path)}
    return render(request, "drive/_rendered.html", _shown(request, access, path) | context)


def rendered(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The rendered file, for the frame on its page; as harmless when it is opened by itself."""
    content = result(access, path) if _format(path).shows == "frame" else None
    return redirect(access.address(path)) if content is None else frames.still(content, access, path)


def interactive(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The rendered notebook with what draws its interactive outputs; in a frame of its page only.

    By itself it could be left for any address by what runs in it; the policy of the page around the frame forbids that.
    """
    content = result(access, path) if _format(path).shows == "frame" else None
    if content is None or request.headers.get("Sec-Fetch-Dest", "iframe") != "iframe":
        return redirect(access.address(path))
    return frames.interactive(content, access, path, rendering.about_of(content).interactive)


def thumbnail(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """A small picture of a picture: 202 while it is being made, 204 where there is none to be had."""
    with access.files() as files, files.open(path) as source:
        if not thumbnails.has_thumbnail(path, os.fstat(source.fileno()).st_size):
            raise NotAFileError(gettext("There is no small picture of this file."))
        key = thumbnails.key(source)
    if content := thumbnails.result(key):
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
        headers |= {"Cache-Control": "private, no-cache"}
        return HttpResponse(content, content_type="image/png", headers=headers)
    state = rendering.state(key)
    is_wanted = state.name == "waiting" or (state.name == "none" and _want_thumbnail(request, access, path, key))
    return HttpResponse(status=202 if is_wanted else 204, headers={"Cache-Control": "private, no-store"})


def _want_thumbnail(request: HttpRequest, access: LibraryAccess, path: str, key: str) -> bool:
    if not rate_limits.allowed("thumbnail", _whose(request), THUMBNAILS, 60) or not rendering.want(key):
        return False
    if publish("drive.tasks.make_thumbnail", str(access.library.pk), access.inside(path)):
        return True
    rendering.unwant(key)
    return False


def raw(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The file's bytes, as a download."""
    with access.files() as files:
        return transfer.send(request, access.library, files, path, access.inside(path))
