"""Directory of Collabs: search, filters, order; favourites."""

from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from collabs import favourites, tags
from collabs.access import get_collab
from collabs.cards import cards, common_tags
from collabs.forms import DirectoryForm
from collabs.models import Collab, CollabQuerySet
from collabs.views.pages import PAGE_SIZE
from portal.access import SignInRequiredError, person

ORDERS = {"best": ("distance", "title_key"), "title": ("title_key",), "new": ("-created_at",), "old": ("created_at",)}
FILTERS = ("mine", "favourites", "public", "archived")


@require_safe
def directory(request: HttpRequest) -> HttpResponse:
    """List the Collabs that the person may see, searched, filtered and ordered."""
    wanted = _wanted(request)
    found = _narrowed(request, wanted).matching(wanted["q"]).order_by(*ORDERS[wanted["order"]], "pk")
    page = Paginator(found.values_list("pk", flat=True), PAGE_SIZE).get_page(request.GET.get("page"))
    cast(Any, page).object_list = cards(request.user, page.object_list)
    context = {"page": page, "words": wanted["q"], "wanted": wanted, "orders": DirectoryForm.ORDERS.items()}
    context["is_narrowed"] = bool(wanted["q"] or wanted["tag"] or any(wanted[name] for name in FILTERS))
    context["only_mine"] = [name for name in ("q", "tag", *FILTERS) if wanted[name]] == ["mine"]
    context["tags"] = common_tags()
    return render(request, "collabs/directory.html", context)


def _wanted(request: HttpRequest) -> dict[str, Any]:
    """Search, filters and order from the query string; invalid values count as absent."""
    form = DirectoryForm(request.GET)
    form.is_valid()
    wanted = {name: form.cleaned_data.get(name) or "" for name in form.fields}
    wanted["q"] = request.GET.get("q", "").replace("\0", " ").strip()[:100]
    wanted["order"] = wanted["order"] or ("best" if wanted["q"] else "title")
    try:
        wanted["tag"] = tags.tidy(wanted["tag"]) if wanted["tag"] else ""
    except ValidationError:
        wanted["tag"] = ""
    if not request.user.is_authenticated:
        wanted |= {"mine": "", "favourites": "", "public": ""}
    return wanted


def _narrowed(request: HttpRequest, wanted: dict[str, Any]) -> CollabQuerySet:
    found = Collab.objects.visible_to(request.user).filter(archived_at__isnull=not wanted["archived"])
    if wanted["mine"]:
        found = found.of_member(request.user)
    if wanted["favourites"]:
        found = found.favourites_of(request.user)
    if wanted["public"]:
        found = found.filter(is_public=True)
    return found.tagged(wanted["tag"]) if wanted["tag"] else found


@require_POST
def favourite(request: HttpRequest, slug: str) -> HttpResponse:
    """Mark a Collab as a favourite, or unmark it."""
    collab = get_collab(request, slug)
    if not request.user.is_authenticated:
        raise SignInRequiredError
    change = favourites.mark if request.POST.get("do") == "mark" else favourites.unmark
    change(person(request), collab)
    return redirect(collab)
