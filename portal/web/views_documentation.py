"""The documentation, `docs/` of the code that runs, as pages of the site: the help that each page's foot leads to."""

import mimetypes
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from portal.text import markdown

DOCS = settings.BASE_DIR / "docs"
INDEX = "README.md"
PICTURES = (".svg", ".png")


@require_safe
def documentation(request: HttpRequest, path: str = INDEX) -> HttpResponseBase:
    """A page or a picture of the documentation, for everybody. 404 for what is not in it."""
    file = _files().get(path)
    if file is None:
        raise Http404(gettext("There is no such page in the documentation."))
    if file.suffix in PICTURES:
        return FileResponse(file.open("rb"), content_type=mimetypes.guess_type(file.name)[0])
    title, html = _rendered(path)
    return render(request, "portal/documentation.html", {"title": title, "html": html, "is_index": path == INDEX})


@cache
def _files() -> dict[str, Path]:
    """Paths below `docs/`, as they stand in addresses: no other file can be asked for."""
    found = (file for file in DOCS.rglob("*") if file.suffix in (".md", *PICTURES) and file.is_file())
    return {file.relative_to(DOCS).as_posix(): file for file in found}


@cache
def _rendered(path: str) -> tuple[str, SafeString]:
    """Title and HTML of a page, which stay the same while a process lives: an update starts new ones."""
    text = _files()[path].read_text()
    html = markdown.render(text, base=reverse("documentation"), folder=path.rpartition("/")[0])
    return text.partition("\n")[0].removeprefix("# "), html
