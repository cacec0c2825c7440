"""A file to read while JupyterLab is loaded: its preview, on the Lab's own origin (`/.collaboratory/preview`).

The page of JupyterLab shows it in a frame (lab/supervisor/inside/reading.html). Of a notebook it is what the Drive's
page of it shows, of a text what JupyterLab's editor will show. Both have the same policy: no script of the file runs,
and the document has no origin, so nothing of it is on the Lab's. Whoever has a pass for the Lab sees what they may read
now, whatever the Lab still has mounted.
"""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from drive.browser import frames, views_file
from drive.files.library_access import LibraryAccess, access_by
from drive.preview.formats import format_of
from drive.preview.texts import read_text
from drive.storage import StorageError
from lab.locations import copies, presence
from portal.models import User
from portal.ops.task_queue import publish
from portal.web import rate_limits

from . import passes

NOTHING = 204
LATER = 20
"""Seconds after which a notebook that had no rendering gets one: JupyterLab needs the processor first."""
MOST_TEXT = 128 * 1024
"""Bytes of a text: more than anybody reads until JupyterLab is there."""
VIEWED = {"csv", "geojson", "htm", "html", "json", "svg", "tsv", "vg", "vl", "xhtml"}
"""Endings of texts that JupyterLab does not open in its editor but shows otherwise."""


@csrf_exempt
@require_GET
def preview(request: HttpRequest) -> HttpResponse:
    """The preview of the file at `path`, below the home.

    204, which leaves the frame as it is, where there is nothing that its person may see, or no rendering yet: one is
    made soon, for the next opening.
    """
    username = passes.username_of(request)
    if not username or not passes.may_send(request.headers, "GET", username):
        return HttpResponse(status=403)
    if request.headers.get("Sec-Fetch-Dest", "iframe") != "iframe":
        return HttpResponse(status=404)  # only frames of JupyterLab's page show it
    found = passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username)
    if found is None:
        return HttpResponse(status=401)
    response = _preview(found.user, request.GET.get("path", ""))
    patch_cache_control(response, private=True, no_store=True)
    return response


def _preview(user: User, path: str) -> HttpResponse:
    location = presence.in_front(user, path)
    if location.library is None or location.entry is None or not location.inside:
        return HttpResponse(status=NOTHING)
    access = access_by(location.library, location.entry)
    show = _rendered if location.inside.endswith(copies.NOTEBOOK) else _text
    try:
        return show(user, access, location.inside) or HttpResponse(status=NOTHING)
    except StorageError:
        return HttpResponse(status=NOTHING)


def _rendered(user: User, access: LibraryAccess, path: str) -> HttpResponse | None:
    content = views_file.result(access, path)
    if content is not None:
        return frames.still(content, access, path)
    if rate_limits.allowed("rendering", str(user.pk), views_file.RENDERINGS, 60):
        publish("drive.tasks.render_preview", str(access.library.pk), path, after=LATER)
    return None


def _text(user: User, access: LibraryAccess, path: str) -> HttpResponse | None:
    """What JupyterLab opens in its editor, as it is written there, Markdown too; None for other files."""
    if format_of(path) or path.rpartition(".")[2].lower() in VIEWED:
        return None
    with access.files() as files, files.open(path) as source:
        content = source.read(MOST_TEXT + 1)
    text = read_text(content[:MOST_TEXT], is_cut=len(content) > MOST_TEXT) if content else None
    return frames.lines(text.text) if text and text.encoding == "UTF-8" else None
