"""What the institution that runs the site shows: logo, colours, imprint, privacy, terms."""

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal import institution

from . import colours

LONG = "public, max-age=31536000, immutable"
"""For addresses that change with what is there."""


@require_safe
def logo(request: HttpRequest) -> HttpResponseBase:
    """The logo. An SVG that is opened by itself runs nothing on the portal's origin."""
    found = institution.logo()
    if found is None:
        raise Http404
    path, kind = found
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    headers = {"Cache-Control": LONG, "Content-Security-Policy": policy}
    return FileResponse(path.open("rb"), content_type=kind, headers=headers)


@require_safe
def stylesheet(request: HttpRequest) -> HttpResponse:
    """Colours by SITE_COLOUR."""
    if not settings.SITE_COLOUR:
        raise Http404
    css = colours.stylesheet(settings.SITE_COLOUR)
    return HttpResponse(css, content_type="text/css", headers={"Cache-Control": LONG})


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """Imprint, privacy or terms."""
    found = institution.document(name)
    if found is None:
        raise Http404
    html, language = found
    context = {"title": institution.DOCUMENTS[name], "html": html, "text_language": language}
    return render(request, "portal/document.html", context)
