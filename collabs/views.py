"""The pages of Collabs."""

from typing import Any

from django.conf import settings as conf
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal import hooks, people
from portal.access import person
from portal.attempts import attempt
from portal.models import User

from . import services
from .access import get_collab
from .forms import CollabForm, DeleteForm, MemberForm, RoleForm
from .models import Collab, Role

PAGE_SIZE = 24
TEAM_PAGE_SIZE = 100
TEAM_SHOWN = 20
"""Members on the Collab's first page."""


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new Collab, with the person as its administrator."""
    form = CollabForm(request.POST or None)
    if form.is_valid():
        try:
            collab = services.create_collab(person(request), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "The Collab is ready. Add people, or put a first file into its Drive.")
            return redirect(collab)
    return render(request, "collabs/create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The Collab: README, latest changes, team."""
    collab = get_collab(request, slug)
    team = collab.memberships.filter(user__is_active=True).select_related("user")
    members = list(team[: TEAM_SHOWN + 1])
    context: dict[str, Any] = {"collab": collab, "members": members[:TEAM_SHOWN]}
    context["more"] = team.count() - TEAM_SHOWN if len(members) > TEAM_SHOWN else 0
    if collab.my_role == Role.ADMINISTRATOR:
        context["asking"] = collab.requests.filter(decided_at=None).count()
    if collab.my_role:
        context["group_roles"] = collab.group_roles.select_related("group")[:TEAM_SHOWN]
    context["tags"] = collab.tags.all()
    return render(request, "collabs/page.html", context)


@require_safe
def team(request: HttpRequest, slug: str) -> HttpResponse:
    """Who belongs to it; administrators manage, other people see."""
    collab = get_collab(request, slug)
    if not request.user.is_authenticated:
        get_collab(request, slug, Role.VIEWER)
    return _team_page(request, collab, MemberForm(collab=collab, asker=person(request)))


def _team_page(request: HttpRequest, collab: Collab, form: MemberForm, status: int = 200) -> HttpResponse:
    members = collab.memberships.select_related("user")
    if collab.my_role != Role.ADMINISTRATOR:  # who shows deactivated people so that they can be removed
        members = members.filter(user__is_active=True)
    page = Paginator(members, TEAM_PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"collab": collab, "page": page, "form": form, "roles": Role.choices}
    context |= {"administered": collab.is_administered(), "standing": collab.standing_of(request.user)}
    context["group_count"] = collab.group_roles.count()
    context["asking"] = collab.requests.filter(decided_at=None).count()
    return render(request, "collabs/team.html", context, status=status)


@require_safe
def suggest(request: HttpRequest, slug: str) -> HttpResponse:
    """People to add whose names begin with what is being typed: options for the browser's own list."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    if not people.may_search(person(request)):
        return HttpResponse(status=429)
    others = User.objects.exclude(pk__in=collab.memberships.values("user"))
    found = people.suggest(request.GET.get("person", "")[:100], among=others)
    return render(request, "portal/_suggestions.html", {"people": found})


@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a person by username or address."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = MemberForm(request.POST, collab=collab, asker=person(request))
    if form.is_valid():
        user = form.cleaned_data["person"]
        try:
            services.add_member(person(request), collab, user, Role(form.cleaned_data["role"]))
        except ValidationError as error:
            form.add_error("person", error)
        else:
            messages.success(request, f"{people.described(user)} is now a member.")
            return redirect("collabs:team", slug)
    return _team_page(request, collab, form, status=422)


@require_POST
def change_role(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Give a member another role."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = get_object_or_404(User, username=username, memberships__collab=collab)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        if attempt(request, lambda: services.change_role(person(request), collab, user, role)):
            messages.success(request, f"{people.described(user)} has the role {role.label} now.")
    return redirect("collabs:team", slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Remove a member."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = get_object_or_404(User, username=username, memberships__collab=collab)
    if user == request.user:
        return leave(request, slug)
    if attempt(request, lambda: services.remove_member(person(request), collab, user)):
        messages.success(request, f"{people.described(user)} is no longer a member.")
    return redirect("collabs:team", slug)


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop being a member; asked first, because there is no way back for oneself."""
    collab = get_collab(request, slug, Role.VIEWER)
    own = collab.memberships.filter(user=person(request)).exists()
    by_groups = collab.standings.filter(user=person(request)).exclude(group=None)
    if request.method == "GET" or not own:
        context = {"collab": collab, "own": own, "groups": {row.group for row in by_groups.select_related("group")}}
        return render(request, "collabs/leave.html", context, status=200 if request.method == "GET" else 409)
    if attempt(request, lambda: services.leave(person(request), collab)):
        messages.success(request, f"You have left {collab.title}.")
        return redirect(collab if by_groups.exists() else "collabs:directory")
    return redirect("collabs:team", slug)


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Change title, description and visibility."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = CollabForm(request.POST or None, instance=Collab.objects.get(pk=collab.pk))
    if form.is_valid():
        try:
            services.update_collab(person(request), collab, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "Saved.")
            return redirect("collabs:settings", slug)
    context = _settings_context(collab, form, DeleteForm(collab=collab))
    return render(request, "collabs/settings.html", context, status=422 if form.errors else 200)


@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete the Collab, its title typed."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = DeleteForm(request.POST, collab=collab)
    if form.is_valid():
        services.delete_collab(person(request), collab)
        days = conf.LIBRARY_KEEP_DAYS
        messages.success(request, f"{collab.title} was deleted. Its administrators can restore it for {days} days.")
        return redirect("collabs:directory")
    context = _settings_context(collab, CollabForm(instance=collab), form)
    return render(request, "collabs/settings.html", context, status=422)


def _settings_context(collab: Collab, form: CollabForm, delete: DeleteForm) -> dict[str, object]:
    more = hooks.collect("collab_settings", collab=collab)
    return {"collab": collab, "form": form, "delete": delete, "days": conf.LIBRARY_KEEP_DAYS, "more": more}


@login_required
@require_http_methods(["GET", "POST"])
def deleted(request: HttpRequest) -> HttpResponse:
    """Deleted Collabs that one administers, and the way back."""
    collabs = Collab.all_objects.restorable_by(person(request))
    if request.method == "POST":
        collab = get_object_or_404(collabs, slug=request.POST.get("slug", ""))
        if not attempt(request, lambda: services.restore_collab(person(request), collab)):
            return redirect("collabs:deleted")
        messages.success(request, f"{collab.title} is back, with its team and its files.")
        return redirect(collab)
    page = Paginator(collabs.order_by("-deleted_at"), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "collabs/deleted.html", {"page": page, "days": conf.LIBRARY_KEEP_DAYS})
