"""Public links: their pages for visitors, and for those who make them."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from drive.files import operations
from drive.files.library_access import drive_access
from drive.files.paths import quoted
from drive.files.public_link_access import PublicLinkAccess, public_link_access
from drive.libraries import public_links
from drive.libraries.forms import LinkForm
from drive.libraries.link_secrets import TooManyTriesError
from drive.models import Library, PublicLink
from drive.storage import StorageError, shown
from drive.storage.names import with_free_name
from portal.access import person
from portal.web.views_errors import too_many

from .registry import serve

PER_PAGE = 50
SHUT = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""No search engine keeps what a link leads to, no other site learns the link, no cache between keeps it.

Not `no-referrer`: with it, browsers do not say where the form with the password comes from, and it would be refused.
"""


def link(request: HttpRequest, token: str, path: str = "") -> HttpResponse:
    """Pages and files of a public link, for visitors: the one entry point for all of them."""
    found = public_links.find(token)
    if found is None:
        raise Http404("No such link.")
    response = _behind(request, found, reverse("link", args=[token]), path)
    for name, value in SHUT.items():
        response.setdefault(name, value)
    return response


def _behind(request: HttpRequest, found: PublicLink, base: str, path: str) -> HttpResponse:
    if found.password and not public_links.SECRETS.is_remembered(request, found):
        return _ask(request, found, base)
    takes = request.method == "POST" and request.user.is_authenticated and request.POST.get("do") == "take"
    if request.method not in ("GET", "HEAD") and not takes:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not public_links.leads_somewhere(found):
        return render(request, "drive/public_link_gone.html", status=404)
    access = public_link_access(found, base)
    if takes:
        return _take(request, access, path.strip("/"))
    if access.only and not path:
        return redirect(base + quoted(access.only))
    response = serve(request, access, path)
    if response.status_code == 200 and request.method == "GET" and _is_visit(request):
        public_links.note_use(found)
    return response


def _take(request: HttpRequest, access: PublicLinkAccess, path: str) -> HttpResponse:
    """Copy what the link leads to into the person's own library, then show it there, or in their Lab."""
    actor, path = person(request), path or access.only
    own = drive_access(request, Library.objects.get(owner_user=actor, is_default=True).pk)
    name = path.rpartition("/")[2] or access.name.replace("/", "_")
    try:
        with access.files() as files:
            item = files.stat(path)
            copied = with_free_name(
                name, lambda free: operations.copy_from(actor, files, path, own.library, free, links=False), "copy"
            )
    except StorageError as error:
        messages.error(request, str(error))
        return redirect(access.address(access.only) if access.only else access.base)
    messages.success(
        request, gettext("“%(path)s” was copied to %(name)s.") % {"path": shown(copied.path), "name": own.name}
    )
    if copied.left_out:
        messages.warning(request, gettext("Links and what cannot be read were not copied."))
    if request.POST.get("open"):
        return redirect(f"{reverse('lab:open')}?{urlencode({'path': own.lab_path(copied.path)})}")
    is_folder = item.kind == "folder"
    return redirect(own.folder_address(copied.path) if is_folder else own.address(copied.path))


def _is_visit(request: HttpRequest) -> bool:
    """Browsers say what they want something for: the pictures of a page are not opened by anybody."""
    return request.headers.get("Sec-Fetch-Dest", "document") in ("document", "empty")  # a page, or a download


def _ask(request: HttpRequest, found: PublicLink, base: str) -> HttpResponse:
    """The page that asks for the password; it says nothing of what is behind it."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    context: dict[str, object] = {}
    if request.method == "POST":
        try:
            if public_links.SECRETS.try_password(request, found, request.POST.get("password", "")):
                response = redirect(request.get_full_path())
                public_links.SECRETS.remember(response, found, base)
                return response
        except TooManyTriesError:
            return too_many(request)
        context["error"] = gettext("Wrong password.")
    return render(request, "drive/public_link_password.html", context, status=403 if context else 200)


# For those who make them


@never_cache  # it shows addresses, each of which is a secret: not to be stored, nor compressed
@require_http_methods(["GET", "POST"])
def manage(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """The links of a library, and a new one to `?path=…`."""
    library = public_links.linkable_library(person(request), library_id)
    path = request.GET.get("path", "").strip("/").replace("\0", "")
    form = LinkForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = public_links.make_link(
                person(request),
                library,
                path,
                password=form.cleaned_data["password"],
                expires_at=end_of(form.cleaned_data["last_day"]),
            )
        except (StorageError, ValidationError) as error:
            form.add_error(None, error if isinstance(error, ValidationError) else str(error))
        else:
            messages.success(request, gettext("Link created. Copy its address to share it."))
            return redirect(
                f"{reverse('drive:links', args=[library_id])}?{urlencode({'path': path, 'new': str(made.pk)})}"
            )
    rows = library.links.filter(revoked_at=None).select_related("created_by")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "library": library,
        "path": path,
        "shown_path": shown(path),
        "form": form,
        "page": page,
        "rows": described(page.object_list),
        "new": request.GET.get("new", ""),
    }
    return render(request, "drive/public_links.html", context, status=422 if form.errors else 200)


def end_of(day: date | None) -> datetime | None:
    """The moment after a day that is over."""
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def described(rows: Iterable[PublicLink]) -> list[dict[str, object]]:
    """Links with their addresses, and whether they let anybody in; one query."""
    rows = list(rows)
    is_open = set(PublicLink.objects.open().filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    now = timezone.now()
    return [
        {
            "link": row,
            "address": public_links.address(row),
            "path": shown(row.path) or gettext("the whole library"),
            "is_open": row.pk in is_open,
            "is_over": bool(row.expires_at and row.expires_at <= now),
        }
        for row in rows
    ]


@require_http_methods(["POST"])
def revoke(request: HttpRequest, library_id: UUID, link_id: UUID) -> HttpResponse:
    """End a link."""
    library = public_links.linkable_library(person(request), library_id)
    found = get_object_or_404(library.links.select_related("library"), pk=link_id)
    public_links.revoke_link(person(request), found)
    messages.success(request, gettext("The link was revoked."))
    return redirect("drive:links", library_id)
