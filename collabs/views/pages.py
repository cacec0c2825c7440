"""Pages of one Collab: create, overview, settings, delete, restore."""

from typing import Any

from django.conf import settings as conf
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from collabs import services
from collabs.access import get_collab
from collabs.forms import CollabForm, DeleteForm
from collabs.models import Collab, GroupRole, JoinRequest, Membership, Role, Tag
from portal import hooks
from portal.access import person
from portal.models import User
from portal.prepared_queries import prepared
from portal.web.messages import apply_or_message

PAGE_SIZE = 24

TEAM_SHOWN = 20
"""Members listed on the overview page."""


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Create a Collab, with the person as its administrator."""
    form = CollabForm(request.POST or None)
    if form.is_valid():
        try:
            collab = services.create_collab(person(request), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, gettext("The Collab is ready. Add people, or put a first file into its Drive."))
            return redirect(collab)
    return render(request, "collabs/create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Overview of a Collab: README, latest changes, team."""
    collab = get_collab(request, slug)
    members = _first_members(collab=collab.pk)
    context: dict[str, Any] = {"collab": collab, "members": members[:TEAM_SHOWN]}
    context["more"] = _team_size(collab=collab.pk)[0][0] - TEAM_SHOWN if len(members) > TEAM_SHOWN else 0
    if collab.my_role == Role.ADMINISTRATOR:
        context["asking"] = len(_open_requests(collab=collab.pk))
    if collab.my_role:
        context["group_roles"] = _group_roles(collab=collab.pk)
    context["tags"] = _tags(collab=collab.pk)
    return render(request, "collabs/page.html", context)


def _members(collab: int) -> QuerySet[Membership]:
    return Membership.objects.filter(collab=collab, user__is_active=True)


@prepared
def _first_members(collab: int) -> QuerySet[Membership]:
    return _members(collab).select_related("user")[: TEAM_SHOWN + 1]


@prepared
def _team_size(collab: int) -> QuerySet:
    return _members(collab).order_by().values("collab").annotate(size=Count("pk")).values_list("size")


@prepared
def _open_requests(collab: int) -> QuerySet:
    return JoinRequest.objects.filter(collab=collab, decided_at=None).order_by().values_list("pk")


@prepared
def _group_roles(collab: int) -> QuerySet[GroupRole]:
    return GroupRole.objects.filter(collab=collab).select_related("group")[:TEAM_SHOWN]


@prepared
def _tags(collab: int) -> QuerySet[Tag]:
    return Tag.objects.filter(collab=collab)


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Change title, description and visibility."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = CollabForm(request.POST or None, instance=Collab.objects.get(pk=collab.pk))
    if form.is_valid() and (asks := _asks(request, collab, form)):
        return _ask(request, collab, form, asks)
    if form.is_valid():
        try:
            services.update_collab(person(request), collab, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, gettext("Saved."))
            return redirect("collabs:settings", slug)
    context = _settings_context(collab, form, DeleteForm(collab=collab))
    return render(request, "collabs/settings.html", context, status=422 if form.errors else 200)


def _asks(request: HttpRequest, collab: Collab, form: CollabForm) -> dict[str, bool]:
    """What the form newly gives to others, by the field that says that its person was asked; empty once they were."""
    given = {
        "make_public": form.cleaned_data["is_public"] and not collab.is_public,
        "let_visitors_read": form.cleaned_data.get("visitors_read", False) and not collab.visitors_read,
    }
    return given if any(new and name not in request.POST for name, new in given.items()) else {}


def _ask(request: HttpRequest, collab: Collab, form: CollabForm, asks: dict[str, bool]) -> HttpResponse:
    """The same form once more, and who will see what; a second button saves it."""
    context = _settings_context(collab, form, DeleteForm(collab=collab)) | {"asks": asks}
    context["accounts"] = User.objects.filter(is_active=True).count()
    return render(request, "collabs/settings.html", context)


@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete the Collab, once its title was typed."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = DeleteForm(request.POST, collab=collab)
    if form.is_valid():
        services.delete_collab(person(request), collab)
        days = conf.LIBRARY_KEEP_DAYS
        messages.success(
            request,
            gettext("%(title)s was deleted. Its administrators can restore it for %(days)s days.")
            % {"title": collab.title, "days": days},
        )
        return redirect("collabs:directory")
    context = _settings_context(collab, CollabForm(instance=collab), form)
    return render(request, "collabs/settings.html", context, status=422)


def _settings_context(collab: Collab, form: CollabForm, delete: DeleteForm) -> dict[str, object]:
    more = [entry for entry in hooks.collect("collab_settings", collab=collab) if entry]
    return {"collab": collab, "form": form, "delete": delete, "days": conf.LIBRARY_KEEP_DAYS, "more": more}


@login_required
@require_http_methods(["GET", "POST"])
def deleted(request: HttpRequest) -> HttpResponse:
    """List the deleted Collabs that the person administers; restore one."""
    collabs = Collab.all_objects.restorable_by(person(request))
    if request.method == "POST":
        collab = get_object_or_404(collabs, slug=request.POST.get("slug", ""))
        if not apply_or_message(request, lambda: services.restore_collab(person(request), collab)):
            return redirect("collabs:deleted")
        messages.success(
            request, gettext("%(title)s was restored, with its team and its files.") % {"title": collab.title}
        )
        return redirect(collab)
    page = Paginator(collabs.order_by("-deleted_at"), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "collabs/deleted.html", {"page": page, "days": conf.LIBRARY_KEEP_DAYS})
