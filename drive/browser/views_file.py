"""One file: its page, and its bytes."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from drive.files.library_access import LibraryAccess
from drive.files.listing import crumbs
from drive.preview import kinds, rendering
from drive.storage import FileEntry, NotAFileError, StorageError
from drive.uploads import transfer
from drive.versions import history
from portal.ops.task_queue import publish
from portal.web import rate_limits

from .views_edit import may_edit


def page(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Page of a file, with a preview of its content or a sentence why there is none."""
    with access.files() as files:
        item = files.stat(path)
    preview = _preview(access, path, item)
    context = about(access, path, item) | {"preview": preview}
    if preview.kind == "rendered":
        context["state"] = _state(request, access, path)
    return render(request, "drive/file.html", context, status=200 if item.kind == "file" else 409)


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


def _preview(access: LibraryAccess, path: str, item: FileEntry) -> kinds.Preview:
    """Without what makes a page: a file that vanished or cannot be read has one too."""
    if item.kind != "file":
        return kinds.of_special(item)
    folder, _, name = path.rpartition("/")
    try:
        with access.files() as files, files.open(path) as source:
            return kinds.of_file(source, name, item.size, access.base, folder)
    except StorageError as error:
        return kinds.Preview("nothing", str(error))


FRAME_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""Policy of rendered files, whose content is somebody else's: no script, no request, no form, no origin of ours."""


RENDERINGS = 30
"""So many files a minute may one person, or one network address, have rendered: each may take many seconds."""


def _state(request: HttpRequest, access: LibraryAccess, path: str) -> rendering.State:
    """State of the rendering of a file; queues it if nobody has."""
    whose = str(request.user.pk) if request.user.is_authenticated else rate_limits.address(request)
    key = _key(access, path)
    state = rendering.state(key)
    if state.name != "none":
        return state
    if not rate_limits.allowed("rendering", whose, RENDERINGS, 60):
        return rendering.State("failed", "Too many previews requested. Please try again in a minute.")
    if rendering.want(key) and not publish("drive.tasks.render_preview", str(access.library.pk), access.inside(path)):
        rendering.unwant(key)
        return rendering.State("failed", "This file cannot be rendered right now. Please try again in a minute.")
    return rendering.State("waiting")


def _key(access: LibraryAccess, path: str) -> str:
    ending = path.rpartition(".")[2].lower()
    if ending not in rendering.KINDS:
        raise NotAFileError("Files of this type are not rendered.")
    with access.files() as files, files.open(path) as source:
        return rendering.key_of(source, rendering.KINDS[ending])


def rendering_state(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Fragment that the page of a notebook polls while it is rendered."""
    state = _state(request, access, path)
    context = {"state": state, "here": access.address(path), "name": path.rpartition("/")[2]}
    return render(request, "drive/_rendered.html", context | {"lab_path": access.lab_path(path)})


def rendered(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The rendered notebook or PDF, for the frame on its page; as harmless when it is opened by itself."""
    content = rendering.result(_key(access, path))
    if content is None:
        return redirect(access.address(path))
    headers = {
        "Content-Security-Policy": FRAME_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "X-DNS-Prefetch-Control": "off",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "private, no-cache",
    }
    return HttpResponse(content, content_type="text/html; charset=utf-8", headers=headers)


def raw(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """The file's bytes, as a download."""
    with access.files() as files:
        return transfer.send(request, access.library, files, path, access.inside(path))
