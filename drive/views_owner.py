"""What the owner of a library does with it: rename, share, make public, delete. And leaving a share."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import person

from . import services
from .access import owned_library
from .forms import LibraryForm, ShareForm
from .models import Permission, Share


@require_http_methods(["GET", "POST"])
def sharing(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """Who sees my library, and by which route."""
    library = owned_library(request.user, library_id)
    form = ShareForm(request.POST or None, user=person(request))
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
            messages.success(request, "Shared.")
            return redirect("drive:sharing", library_id)
    context = {
        "library": library,
        "form": form,
        "shares": library.shares.select_related("user", "collab"),
        "rename": LibraryForm(initial={"name": library.name}),
    }
    return render(request, "drive/sharing.html", context)


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
                messages.success(request, f"“{library.name}” was deleted. You can restore it here.")
                return redirect("drive:deleted")
            case _:
                raise Http404("No such action.")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("drive:sharing", library_id)


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """Take a library that somebody shared with me off my Drive; asked first, because only they can give it back."""
    mine = Share.objects.select_related("library__owner_user", "user", "collab")
    share = get_object_or_404(mine, library=library_id, user=person(request))
    if request.method == "GET":
        return render(request, "drive/leave.html", {"share": share})
    services.unshare(person(request), share)
    messages.success(request, "The library is not shared with you any more.")
    return redirect("drive:home")


@require_POST
def unshare(request: HttpRequest, share_id: int) -> HttpResponse:
    """End a share of one's own library."""
    share = _own_share(request, share_id)
    services.unshare(person(request), share)
    messages.success(request, "The share has ended.")
    return redirect("drive:sharing", share.library_id)


@require_POST
def change_share(request: HttpRequest, share_id: int) -> HttpResponse:
    """Another right for whom a library is shared with."""
    share = _own_share(request, share_id)
    if request.POST.get("permission") not in Permission.values:
        raise Http404("No such permission.")
    permission = Permission(request.POST["permission"])
    services.change_share(person(request), share, permission)
    messages.success(request, f"{share.user or share.collab} {permission.label} it now.")
    return redirect("drive:sharing", share.library_id)


def _own_share(request: HttpRequest, share_id: int) -> Share:
    """A share of one's own library; whoever else sees the library is told that it is not theirs."""
    user = person(request)
    share = get_object_or_404(Share.objects.select_related("library", "user", "collab"), pk=share_id)
    owned_library(user, share.library_id)
    return share
