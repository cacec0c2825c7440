"""Lists of libraries: shared by me, shared with me, deleted."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from collabs.models import EffectiveRole
from drive.models import Library, PublicLink, Share
from portal.access import person

from . import services

PER_PAGE = 50


@login_required
@require_safe
def shared_by_me(request: HttpRequest) -> HttpResponse:
    """My shared libraries: with whom, with which permission, and by how many public links."""
    mine = Library.objects.live().filter(owner_user=person(request))
    links = PublicLink.objects.open().filter(library=OuterRef("pk"))
    shared = mine.filter(Q(is_public=True) | Q(Exists(Share.objects.filter(library=OuterRef("pk")))) | Q(Exists(links)))
    page = Paginator(shared.order_by("name_key"), PER_PAGE).get_page(request.GET.get("page"))
    keys = [library.pk for library in page]
    counted = PublicLink.objects.open().filter(library__in=keys).order_by().values_list("library")
    context = {
        "page": page,
        "shares": _by_library(keys),
        "links": dict(counted.annotate(number=Count("pk"))),
    }
    return render(request, "drive/shared_by_me.html", context)


def _by_library(keys: list) -> dict:
    found: dict = {}
    for share in Share.objects.filter(library__in=keys).select_related("user", "collab"):
        found.setdefault(share.library_id, []).append(share)
    return found


@login_required
@require_safe
def shared_with_me(request: HttpRequest) -> HttpResponse:
    """Libraries that people share with me, directly or with a team of mine: who, since when, with which permission."""
    user = person(request)
    teams = EffectiveRole.objects.filter(user=user, collab__deleted_at=None).values("collab")
    shares = Share.objects.filter(Q(user=user) | Q(collab__in=teams), library__deleted_at=None)
    rows = shares.exclude(library__owner_user=user).select_related("library__owner_user", "collab")
    page = Paginator(rows.order_by("-created_at", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "drive/shared_with_me.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def deleted(request: HttpRequest) -> HttpResponse:
    """My deleted libraries, and the way back."""
    user = person(request)
    gone = Library.objects.filter(owner_user=user, removed_at=None).exclude(deleted_at=None)
    if request.method == "POST":
        library = get_object_or_404(gone, pk=_id(request.POST.get("library", "")))
        try:
            services.restore_library(user, library, request.POST.get("name", "")[:200])
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("drive:deleted")
        messages.success(request, gettext("The library was restored, also for everybody it was shared with."))
        return redirect(library)
    twin = Library.objects.live().filter(owner_user=user, name_key=OuterRef("name_key"))
    rows = gone.annotate(is_taken=Exists(twin)).order_by("-deleted_at")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "drive/deleted.html", {"page": page, "days": settings.LIBRARY_KEEP_DAYS})


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
