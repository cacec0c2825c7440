"""Pages of a library's owner: rename, share, make public, transfer, delete. And leaving a share."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from drive.models import Library, Permission, PublicLink, Share
from portal.access import ForbiddenError, person
from portal.accounts import people_search
from portal.models import User

from . import audience, services
from .access import get_library, owned_library
from .forms import ShareForm, TransferForm
from .visibility import Entry

PER_PAGE = 50


@require_http_methods(["GET", "POST"])
def sharing(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """Page of who has access to a library, and by which route; its owner changes that here."""
    library, entry = get_library(person(request), library_id)
    if library.owner_user_id != request.user.pk:
        return _audience_page(request, library, entry)
    form = ShareForm(request.POST if request.method == "POST" else None, user=person(request), library=library)
    if form.is_valid():
        data = form.cleaned_data
        permission = Permission(data["permission"])
        try:
            if data["person"]:
                services.share_with_person(person(request), library, data["person"], permission)
            else:
                services.share_with_team(person(request), library, data["team"], permission)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, gettext("Shared."))
            return redirect("drive:sharing", library_id)
    context = _audience_context(request, library) | {
        "form": form,
        "shares": Paginator(library.shares.select_related("user", "collab"), PER_PAGE).get_page(
            request.GET.get("shares")
        ),
        "permissions": Permission.choices,
        "links": PublicLink.objects.open().filter(library=library).count(),
        "days": settings.LIBRARY_KEEP_DAYS,
    }
    return render(request, "drive/sharing.html", context, status=422 if form.errors else 200)


def _audience_context(request: HttpRequest, library: Library) -> dict[str, object]:
    """Template context: who has access, paginated, as far as the one who asks may know."""
    asker = person(request)
    page = Paginator(audience.people(asker, library), PER_PAGE).get_page(request.GET.get("page"))
    others, teams = audience.undisclosed(asker, library)
    readers = audience.with_routes(asker, library, page.object_list)
    return {
        "library": library,
        "page": page,
        "readers": readers,
        "undisclosed_people": others,
        "undisclosed_teams": teams,
    }


def _audience_page(request: HttpRequest, library: Library, entry: Entry) -> HttpResponse:
    if request.method != "GET":
        raise ForbiddenError(gettext("Only the owner of this library may do this."))
    return render(request, "drive/audience.html", _audience_context(request, library) | {"entry": entry})


@require_safe
def suggest(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """People to share with, whose names begin with what is being typed: options for the browser's own list."""
    library = owned_library(request.user, library_id)
    asker = person(request)
    if not people_search.may_search(asker):
        return HttpResponse(status=429)
    others = User.objects.exclude(pk=asker.pk).exclude(pk__in=library.shares.filter(user__isnull=False).values("user"))
    found = people_search.suggest(request.GET.get("person", "")[:100], among=others)
    return render(request, "portal/_suggestions.html", {"people": found})


@require_POST
def change(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """The small forms of the sharing page."""
    library = owned_library(request.user, library_id)
    try:
        match request.POST.get("do"):
            case "rename":
                services.rename_library(person(request), library, request.POST.get("name", "")[:100])
            case "public":
                services.set_public(person(request), library, True)
            case "private":
                services.set_public(person(request), library, False)
            case "delete":
                services.delete_library(person(request), library)
                messages.success(
                    request, gettext("“%(name)s” was deleted. You can restore it here.") % {"name": library.name}
                )
                return redirect("drive:deleted")
            case _:
                raise Http404("No such action.")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("drive:sharing", library_id)


@require_http_methods(["GET", "POST"])
def transfer(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """Give my library to somebody else."""
    library = owned_library(request.user, library_id)
    posted = request.POST if request.method == "POST" else None
    form = TransferForm(posted, user=person(request), library=library)
    if form.is_valid():
        new_owner = form.cleaned_data["person"]
        try:
            services.transfer_library(person(request), library, new_owner, keep_access=True, check_room=True)
        except ValidationError as error:
            form.add_error("person", error)
        else:
            messages.success(
                request,
                gettext("“%(name)s” belongs to %(label)s now.")
                % {"name": library.name, "label": people_search.label(new_owner)},
            )
            return redirect("drive:home")
    context = {"library": library, "form": form}
    return render(request, "drive/transfer.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """Take a library that somebody shared with me off my Drive; asked first, because only they can give it back."""
    mine = Share.objects.select_related("library__owner_user", "user", "collab")
    share = get_object_or_404(mine, library=library_id, user=person(request))
    if request.method == "GET":
        return render(request, "drive/leave_share.html", {"share": share})
    services.unshare(person(request), share)
    messages.success(request, gettext("The library is no longer shared with you."))
    return redirect("drive:home")


@require_POST
def unshare(request: HttpRequest, share_id: int) -> HttpResponse:
    """End a share of one's own library."""
    share = _own_share(request, share_id)
    services.unshare(person(request), share)
    messages.success(request, gettext("Sharing was stopped."))
    return redirect("drive:sharing", share.library_id)


@require_POST
def change_share(request: HttpRequest, share_id: int) -> HttpResponse:
    """Another right for whom a library is shared with."""
    share = _own_share(request, share_id)
    if request.POST.get("permission") not in Permission.values:
        raise Http404("No such permission.")
    permission = Permission(request.POST["permission"])
    services.change_share(person(request), share, permission)
    said = (
        gettext("%(whom)s can read and write it now.")
        if permission == Permission.WRITE
        else gettext("%(whom)s can read it now.")
    )
    messages.success(request, said % {"whom": share.user or share.collab})
    return redirect("drive:sharing", share.library_id)


def _own_share(request: HttpRequest, share_id: int) -> Share:
    """A share of one's own library; whoever else sees the library is told that it is not theirs."""
    user = person(request)
    share = get_object_or_404(Share.objects.select_related("library", "user", "collab"), pk=share_id)
    owned_library(user, share.library_id)
    return share
