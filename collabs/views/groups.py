"""Groups in a team: their roles, and the people in them."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from collabs import services
from collabs.access import get_collab
from collabs.forms import GroupRoleForm
from collabs.models import GroupRole, Role
from groups.models import Group, people_in
from portal.access import person

PAGE_SIZE = 100


@require_http_methods(["GET", "POST"])
def groups(request: HttpRequest, slug: str) -> HttpResponse:
    """List the groups that have a role; administrators give roles."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR if request.method == "POST" else Role.VIEWER)
    form = GroupRoleForm(request.POST or None)
    if form.is_valid():
        group, role = form.cleaned_data["group"], Role(form.cleaned_data["role"])
        services.give_group_role(person(request), collab, group, role)
        messages.success(
            request,
            gettext("Everybody in %(group)s now has the role %(label)s.") % {"group": group, "label": role.label},
        )
        return redirect("collabs:groups", slug)
    sized = Group.objects.with_size()
    held = collab.group_roles.prefetch_related(Prefetch("group", queryset=sized))
    context = {"collab": collab, "held": held, "form": form, "roles": Role.choices}
    return render(request, "collabs/groups.html", context, status=422 if form.errors else 200)


@require_POST
def remove_group(request: HttpRequest, slug: str, group: str) -> HttpResponse:
    """Take the role from a group."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    found = get_object_or_404(Group, slug=group, roles__collab=collab)
    services.remove_group(person(request), collab, found)
    messages.success(request, gettext("%(found)s no longer has a role in this Collab.") % {"found": found})
    return redirect("collabs:groups", slug)


@require_safe
def group_people(request: HttpRequest, slug: str, group: str) -> HttpResponse:
    """People who have a role through a group; members of the Collab may see them."""
    collab = get_collab(request, slug, Role.VIEWER)
    held = get_object_or_404(GroupRole.objects.select_related("group"), collab=collab, group__slug=group)
    everybody = people_in(held.group).filter(is_active=True).order_by("username")
    page = Paginator(everybody, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "collabs/group_people.html", {"collab": collab, "held": held, "page": page})
