"""Pages that connect a program: the lines to copy for each, and a token to go with them."""

import re
import shlex
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from drive.folders import Folder
from drive.libraries.access import get_library
from drive.libraries.services import DEFAULT_NAME
from drive.libraries.visibility import Entry
from portal.access import person

from . import services
from .forms import ConnectionForm

PLACEHOLDER = "TOKEN"
REMOTE = "collaboratory"
_PLAIN = re.compile(r"[\w .,:/()-]+")
"""What means the same between double quotes in every shell, Windows' own included."""


@never_cache
@login_required
@require_safe
def connect(request: HttpRequest) -> HttpResponse:
    """Lines to copy for each program; with `?library=` for one library."""
    return render(request, "api/connect.html", _lines(request, _asked(request), PLACEHOLDER))


@never_cache
@reauthentication_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Make a token for a program; the answer has the lines with the token in them, and only that once."""
    entry = _asked(request)
    form = ConnectionForm(request.POST if request.method == "POST" else None, user=person(request), entry=entry)
    page = {"form": form, "entry": entry}
    if not form.is_valid():
        return render(request, "api/new_connection.html", page, status=422 if form.errors else 200)
    data = form.cleaned_data
    try:
        made, secret = services.create_token(
            person(request), name=data["name"], scopes=form.scopes(), days=data["days"], libraries=form.limit()
        )
    except ValidationError as error:
        form.add_error(None, error)
        return render(request, "api/new_connection.html", page, status=422)
    return render(request, "api/connect.html", _lines(request, entry, secret) | {"made": made, "secret": secret})


def _asked(request: HttpRequest) -> Entry | None:
    """The library in the address; Http404 for one that the person does not see."""
    given = request.GET.get("library", "")
    if not given:
        return None
    try:
        return get_library(request.user, UUID(given))[1]
    except ValueError as error:
        raise Http404(gettext("No such library.")) from error


def shell_word(text: str) -> str:
    """The text as one word of a command. Somebody else may have named the library."""
    return f'"{text}"' if _PLAIN.fullmatch(text) else shlex.quote(text)


def _lines(request: HttpRequest, entry: Entry | None, secret: str) -> dict[str, Any]:
    """Values that stand in the lines, with the site's own address."""
    site = urlsplit(settings.PORTAL_URL)
    folder = f"{entry.folder}/{entry.name}" if entry else ""
    example = folder or f"{Folder.MINE}/{DEFAULT_NAME}"
    return {
        "entry": entry,
        "username": person(request).username,
        "password": secret,
        "site": settings.PORTAL_URL,
        "seafile_folder": shell_word(f"seafile:{entry.name if entry else DEFAULT_NAME}"),
        "root": f"{settings.PORTAL_URL}/dav",
        "address": f"{settings.PORTAL_URL}/dav/{quote(folder)}",
        "gnome": f"{'davs' if site.scheme == 'https' else 'dav'}://{site.netloc}/dav/{quote(folder)}",
        "is_encrypted": site.scheme == "https",
        "remote": REMOTE,
        "remote_folder": shell_word(f"{REMOTE}:{folder}"),
        "remote_results": shell_word(f"{REMOTE}:{example}/results"),
        "data_address": f"{settings.PORTAL_URL}/dav/{quote(example)}/data.csv",
    }
