"""Pages of groups: directory, members, managers, nesting, settings."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import person
from portal.accounts import people_search
from portal.models import User
from portal.web import rate_limits
from portal.web.messages import apply_or_message

from . import services
from .access import get_group, managed_group, may_see_people
from .forms import DeleteForm, GroupForm, NestForm, PersonForm
from .models import Group

PAGE_SIZE = 50
SUGGESTED = 8
SEARCHES_PER_MINUTE = 60
"""For a group's name, by one person."""


@login_required
@require_safe
def directory(request: HttpRequest) -> HttpResponse:
    """List the person's groups, then all; searchable."""
    user, words = person(request), request.GET.get("q", "").strip()[:100]
    mine = (Group.objects.of_person(user) | Group.objects.managed_by(user)).distinct().with_size()
    page = Paginator(Group.objects.matching(words).with_size(), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"mine": [] if words else mine[:PAGE_SIZE], "page": page, "words": words}
    return render(request, "groups/directory.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Create a group, managed by the person."""
    form = GroupForm(request.POST or None)
    if form.is_valid():
        try:
            group = services.create_group(person(request), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, gettext("The group was created. Now add people to it."))
            return redirect(group)
    return render(request, "groups/create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Page of a group; its people and managers see who is in it, managers change it."""
    return _page(request, get_group(request, slug))


def _page(request: HttpRequest, group: Group, status: int = 200, **forms: Any) -> HttpResponse:
    context: dict[str, Any] = {"group": group, "manages": group.is_managed_by(person(request))}
    context["size"] = Group.objects.with_size().get(pk=group.pk).size
    if may_see_people(request, group):
        members = group.members.select_related("user")
        if not context["manages"]:
            members = members.filter(user__is_active=True)
        context |= {
            "page": Paginator(members, PAGE_SIZE).get_page(request.GET.get("page")),
            "managers": [row.user for row in group.managers.select_related("user")],
            "inner": Group.objects.filter(outer_nestings__outer=group).with_size(),
            "outer": Group.objects.filter(inner_nestings__inner=group),
        }
    if context["manages"]:
        asker = person(request)
        context["person_form"] = PersonForm(group=group, asker=asker)
        context["manager_form"] = PersonForm(group=group, asker=asker, prefix="manager")
        context |= {"nest_form": NestForm()} | forms
    return render(request, "groups/page.html", context, status=status)


@require_safe
def names(request: HttpRequest) -> HttpResponse:
    """Suggestions while typing a group's name: options of a <datalist>. 429 if asked too often."""
    if not rate_limits.allowed("groups", str(person(request).pk), SEARCHES_PER_MINUTE, 60):
        return HttpResponse(status=429)
    found = Group.objects.matching(request.GET.get("group", "")[:100])[:SUGGESTED]
    return render(request, "groups/_names.html", {"groups": found})


@require_safe
def suggest(request: HttpRequest, slug: str) -> HttpResponse:
    """Suggestions while typing a person's name. 429 if asked too often."""
    managed_group(request, slug)
    if not people_search.may_search(person(request)):
        return HttpResponse(status=429)
    typed = request.GET.get("person") or request.GET.get("manager-person", "")
    return render(request, "portal/_suggestions.html", {"people": people_search.suggest(typed[:100])})


@require_POST
def add_person(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a person."""
    group = managed_group(request, slug)
    form = PersonForm(request.POST, group=group, asker=person(request))
    return _add(request, group, form, services.add_person, gettext("%(person)s was added to the group."), "person_form")


@require_POST
def add_manager(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a manager."""
    group = managed_group(request, slug)
    form = PersonForm(request.POST, group=group, asker=person(request), prefix="manager")
    return _add(
        request, group, form, services.add_manager, gettext("%(person)s now manages the group."), "manager_form"
    )


def _add(
    request: HttpRequest, group: Group, form: PersonForm, add: Callable[..., object], done: str, name: str
) -> HttpResponse:
    if form.is_valid():
        user = form.cleaned_data["person"]
        try:
            add(person(request), group, user)
        except ValidationError as error:
            form.add_error("person", error)
        else:
            messages.success(request, done % {"person": people_search.label(user)})
            return redirect(group)
    return _page(request, group, 422, **{name: form})


@require_POST
def remove_person(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Remove a person; everybody may remove themselves."""
    group = get_group(request, slug)
    user = person(request)
    if username != user.username:
        group = managed_group(request, slug)
    services.remove_person(user, group, get_object_or_404(User, username=username, group_members__group=group))
    messages.success(request, gettext("%(username)s is no longer in the group.") % {"username": username})
    return redirect(group)


@require_POST
def remove_manager(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Remove a manager."""
    group = managed_group(request, slug)
    manager = get_object_or_404(User, username=username, managed_groups__group=group)
    if apply_or_message(request, lambda: services.remove_manager(person(request), group, manager)):
        messages.success(request, gettext("%(username)s no longer manages the group.") % {"username": username})
    return redirect(group)


@require_POST
def nest(request: HttpRequest, slug: str) -> HttpResponse:
    """Nest another group, with all its people, in this one."""
    group = managed_group(request, slug)
    form = NestForm(request.POST)
    if form.is_valid():
        inner = form.cleaned_data["group"]
        try:
            services.nest(person(request), group, inner)
        except ValidationError as error:
            form.add_error("group", error)
        else:
            messages.success(request, gettext("Everybody in %(inner)s is now in this group.") % {"inner": inner})
            return redirect(group)
    return _page(request, group, 422, nest_form=form)


@require_POST
def unnest(request: HttpRequest, slug: str, inner: str) -> HttpResponse:
    """Remove a nested group from this one."""
    group = managed_group(request, slug)
    services.unnest(person(request), group, get_object_or_404(Group, slug=inner, outer_nestings__outer=group))
    messages.success(request, gettext("The group was removed from this one."))
    return redirect(group)


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Change name and description."""
    group = managed_group(request, slug)
    form = GroupForm(request.POST or None, instance=Group.objects.get(pk=group.pk))
    if form.is_valid():
        try:
            services.update_group(person(request), group, **form.cleaned_data, provider_name=group.provider_name)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "Saved.")
            return redirect(group)
    return _settings(request, group, form, DeleteForm(group=group), 422 if form.errors else 200)


def _settings(request: HttpRequest, group: Group, form: GroupForm, delete: DeleteForm, status: int) -> HttpResponse:
    context = {"group": group, "form": form, "delete": delete, "roles": group.roles.count()}
    return render(request, "groups/settings.html", context, status=status)


@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete the group, once its name was typed."""
    group = managed_group(request, slug)
    form = DeleteForm(request.POST, group=group)
    if not form.is_valid():
        return _settings(request, group, GroupForm(instance=group), form, 422)
    services.delete_group(person(request), group)
    messages.success(request, gettext("The group %(name)s was deleted.") % {"name": group.name})
    return redirect("groups:directory")
