"""Upload links: their page for senders, what nginx asks before it reads a body, and the page for those who make them.

Senders see what is asked for and by whom, and nothing of the folder: neither names nor sizes nor whose room is full.
"""

import re
from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from drive.libraries import upload_links
from drive.libraries.forms import UploadLinkForm
from drive.libraries.link_secrets import TooManyTriesError
from drive.models import UploadLink
from drive.storage import StorageError, shown
from drive.uploads import by_link, form_handler, transfer, tus, tus_views
from drive.uploads.tus import Upload
from portal.access import person
from portal.web import rate_limits
from portal.web.views_errors import too_many

from .views_public_link import PER_PAGE, SHUT, end_of

BEGUN, BEGUN_SECONDS = 600, 300
"""Files that may be begun from one network address."""
SENT = re.compile(r"/u/(?P<token>[-\w]{43})/(?:files|uploads/(?P<upload_id>[0-9a-f]{32}))", re.ASCII)
"""Addresses of which nginx asks before it reads a body, as in deploy/nginx.upload_links.conf.template."""
RECEIVED = 20
"""Latest files of each link on its maker's page."""


class EndedError(StorageError):
    """No such link, it has ended, or its password was not given (403)."""

    status = 403


# For senders


def upload_link(request: HttpRequest, token: str) -> HttpResponse:
    """The page of an upload link; it takes the password, where it has one."""
    return _shut(_page(request, _open(token), token))


def files(request: HttpRequest, token: str) -> HttpResponse:
    """The form, for browsers without JavaScript."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    found = _known(request, token)
    return _shut(_take_form(request, found, token) if found else redirect("upload_link", token))


def uploads(request: HttpRequest, token: str) -> HttpResponse:
    """Resumable uploads by tus: begin one."""
    found = _known(request, token)
    if found is None:
        return _shut(HttpResponse(status=403))

    def create(metadata: dict[str, str], length: int) -> Upload:
        if not rate_limits.allowed("upload-link", rate_limits.address(request), BEGUN, BEGUN_SECONDS):
            raise by_link.BusyLinkError(gettext("Too many uploads. Please try again later."))
        name, sender = metadata.get("filename", ""), metadata.get("sender", "")
        return by_link.begin(found, name, sender, length, rate_limits.address(request))

    def address(made: Upload) -> str:
        return reverse("upload_by_link", args=[token, made.id])

    return _shut(tus_views.answer_collection(request, create, lambda made: _place(found, made), address))


def upload(request: HttpRequest, token: str, upload_id: str) -> HttpResponse:
    """One resumable upload."""
    found = _known(request, token)
    if found is None:
        return _shut(HttpResponse(status=403))
    if request.method == "DELETE":
        return _shut(tus_views.plainly(request, lambda: _give_up(found, upload_id)))
    return _shut(
        tus_views.answer_upload(request, lambda: by_link.find(found, upload_id), lambda made: _place(found, made))
    )


def _open(token: str) -> UploadLink:
    """The link; Http404 for one that takes nothing, whatever the reason."""
    found = upload_links.find(token)
    if found is None:
        raise Http404("No such link.")
    return found


def _known(request: HttpRequest, token: str) -> UploadLink | None:
    """The link; None while this browser has not given its password."""
    found = _open(token)
    return found if not found.password or upload_links.SECRETS.is_remembered(request, found) else None


def _shut(response: HttpResponse) -> HttpResponse:
    for name, value in SHUT.items():
        response.setdefault(name, value)
    return response


def _page(request: HttpRequest, found: UploadLink, token: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if _known(request, token) is None:
        return _ask(request, found, token)
    if request.method == "POST":
        return HttpResponseNotAllowed(["GET", "HEAD"])
    refused = request.GET.get("refused", "")  # by nginx
    return _form(request, found, token, [_why_refused(refused)] if refused else [])


def _why_refused(status: str) -> str:
    """What to tell of a form that nginx has not read."""
    return str(by_link.form_too_large() if status == "413" else by_link.no_room())


def _form(
    request: HttpRequest, found: UploadLink, token: str, errors: Iterable[str] = (), status: int = 200
) -> HttpResponse:
    try:
        by_link.check_folder(found)
    except StorageError as error:
        return render(request, "drive/upload_link_gone.html", {"link": found, "error": error}, status=error.status)
    context = {"link": found, "token": token, "errors": list(errors), "most_in_form": by_link.FORM_BYTES}
    return render(request, "drive/upload_link.html", context, status=status)


def _ask(request: HttpRequest, found: UploadLink, token: str) -> HttpResponse:
    """The page that asks for the password; it says nothing of what is behind it."""
    context: dict[str, object] = {}
    if request.method == "POST":
        try:
            if upload_links.SECRETS.try_password(request, found, request.POST.get("password", "")):
                response = redirect("upload_link", token)
                upload_links.SECRETS.remember(response, found, reverse("upload_link", args=[token]))
                return response
        except TooManyTriesError:
            return too_many(request)
        context["error"] = gettext("Wrong password.")
    return render(request, "drive/public_link_password.html", context, status=403 if context else 200)


def _take_form(request: HttpRequest, found: UploadLink, token: str) -> HttpResponse:
    if not rate_limits.allowed("upload-link", rate_limits.address(request), BEGUN, BEGUN_SECONDS):
        return too_many(request)
    errors, taken = [], 0
    try:
        form_handler.check(request)
    except StorageError:
        errors.append(str(by_link.no_room()))
    sender = request.POST.get("sender", "")
    for sent in request.FILES.getlist("file"):
        try:
            with transfer.staged_upload(sent, found.library) as staged:
                by_link.take(found, sent.name or "", sender, staged)
            taken += 1
        except StorageError as error:
            errors.append(f"{shown(sent.name or '')}: {error}")
    if taken:
        said = ngettext("%(number)s file was uploaded. Thank you!", "%(number)s files were uploaded. Thank you!", taken)
        messages.success(request, said % {"number": taken})
    elif not errors:
        errors.append(gettext("Choose a file first."))
    return _form(request, found, token, errors, 422) if errors else redirect("upload_link", token)


def _place(found: UploadLink, made: Upload) -> HttpResponse:
    by_link.place(found, made)
    return tus_views.answer(204, **{"Upload-Offset": str(made.length)})


def _give_up(found: UploadLink, upload_id: str) -> HttpResponse:
    made = by_link.find(found, upload_id)
    with tus.alone(made):
        by_link.give_up(found, made)
    return tus_views.answer(204)


# For nginx


@never_cache
def admission(request: HttpRequest) -> HttpResponse:
    """204 if nginx may read the body of what is sent through a link, else 403, with the status for the sender."""
    try:
        _admit(request)
    except StorageError as error:
        return HttpResponse(status=403, headers={"X-Refused": str(error.status)})
    return HttpResponse(status=204)


def _admit(request: HttpRequest) -> None:
    """Raise a StorageError for what is not to be read."""
    match = SENT.fullmatch(request.headers.get("X-Original-URI", "").partition("?")[0])
    found = upload_links.find(match["token"]) if match else None
    if match is None or found is None or _known(request, match["token"]) is None:
        raise EndedError
    size, address = tus_views.number_of(request, "X-Original-Length"), rate_limits.address(request)
    if match["upload_id"]:
        by_link.admit_piece(found, match["upload_id"], tus_views.number_of(request, "Upload-Offset"), size, address)
    else:
        by_link.admit_form(found, size, address)


# For those who make them


@never_cache  # it shows addresses, each of which is a secret: not to be stored, nor compressed
@require_http_methods(["GET", "POST"])
def manage(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """The upload links of a library, and a new one to `?path=…`."""
    library = upload_links.linkable_library(person(request), library_id)
    path = request.GET.get("path", "").strip("/").replace("\0", "")
    form = UploadLinkForm(request.POST if request.method == "POST" else None, initial={"folder": shown(path)})
    if form.is_valid():
        try:
            made = upload_links.make_link(
                person(request), library, **form.values(end_of(form.cleaned_data["last_day"]))
            )
        except (StorageError, ValidationError) as error:
            form.add_error("folder", error if isinstance(error, ValidationError) else str(error))
        else:
            messages.success(request, gettext("Link created. Copy its address to share it."))
            return redirect(f"{reverse('drive:upload_links', args=[library_id])}?{urlencode({'new': str(made.pk)})}")
    rows = upload_links.with_received(library.upload_links.filter(revoked_at=None).select_related("created_by"))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "library": library,
        "form": form,
        "page": page,
        "rows": _described(page.object_list),
        "new": request.GET.get("new", ""),
    }
    return render(request, "drive/upload_links.html", context, status=422 if form.errors else 200)


def _described(rows: Iterable[UploadLink]) -> list[dict[str, object]]:
    """Links with their addresses, whether they take files, and the latest of them."""
    rows = list(rows)
    is_open = upload_links.open_ones(rows)
    return [
        {
            "link": row,
            "address": upload_links.address(row),
            "path": shown(row.path),
            "is_open": row.pk in is_open,
            "received": list(row.received.filter(arrived_at__isnull=False)[:RECEIVED]),
        }
        for row in rows
    ]


@require_http_methods(["POST"])
def revoke(request: HttpRequest, library_id: UUID, link_id: UUID) -> HttpResponse:
    """End a link."""
    library = upload_links.linkable_library(person(request), library_id)
    found = get_object_or_404(library.upload_links.select_related("library"), pk=link_id)
    upload_links.revoke_link(person(request), found)
    messages.success(request, gettext("The link was revoked."))
    return redirect("drive:upload_links", library_id)
