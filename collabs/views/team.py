"""Team pages: members and their roles, leaving, handing the Collab over."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from collabs import invitations, services
from collabs.access import get_collab
from collabs.forms import HandOverForm, MemberForm, RoleForm
from collabs.models import Collab, Role
from portal.access import person
from portal.accounts import people_search
from portal.models import User
from portal.web.messages import apply_or_message
from portal.web.views_errors import too_many

PAGE_SIZE = 100


@require_safe
def team(request: HttpRequest, slug: str) -> HttpResponse:
    """The team: administrators manage it, others see it."""
    collab = get_collab(request, slug)
    if not request.user.is_authenticated:
        get_collab(request, slug, Role.VIEWER)
    return _team_page(request, collab, MemberForm(collab=collab, asker=person(request)))


def _team_page(request: HttpRequest, collab: Collab, form: MemberForm, status: int = 200) -> HttpResponse:
    members = collab.memberships.select_related("user")
    if collab.my_role != Role.ADMINISTRATOR:  # who shows deactivated people so that they can be removed
        members = members.filter(user__is_active=True)
    page = Paginator(members, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"collab": collab, "page": page, "form": form, "roles": Role.choices}
    context |= {"administered": collab.is_administered(), "effective_role": collab.effective_role_of(request.user)}
    context["group_count"] = collab.group_roles.count()
    context["asking"] = collab.requests.filter(decided_at=None).count()
    return render(request, "collabs/team.html", context, status=status)


@require_safe
def suggest(request: HttpRequest, slug: str) -> HttpResponse:
    """Suggestions while typing a person's name: options of a <datalist>, without members. 429 if asked too often."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    if not people_search.may_search(person(request)):
        return HttpResponse(status=429)
    others = User.objects.exclude(pk__in=collab.memberships.values("user"))
    found = people_search.suggest(request.GET.get("person", "")[:100], among=others)
    return render(request, "portal/_suggestions.html", {"people": found})


@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a person by username or address; invite an address that no account has."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = MemberForm(request.POST, collab=collab, asker=person(request))
    if form.is_valid():
        whom = form.cleaned_data["person"]
        if isinstance(whom, str) and not invitations.may_mail(person(request)):
            return too_many(request)
        try:
            done = _add_or_invite(person(request), collab, whom, Role(form.cleaned_data["role"]))
        except ValidationError as error:
            form.add_error("person", error)
        else:
            messages.success(request, done)
            return redirect("collabs:team", slug)
    return _team_page(request, collab, form, status=422)


def _add_or_invite(actor: User, collab: Collab, whom: User | str, role: Role) -> str:
    """What was done, as a sentence."""
    if isinstance(whom, User):
        services.add_member(actor, collab, whom, role)
        return gettext("%(person)s is now a member.") % {"person": people_search.label(whom)}
    invitations.invite_by_mail(actor, collab, whom, role)
    return gettext("Nobody here has the address %(whom)s: an invitation is on its way to it.") % {"whom": whom}


@require_POST
def change_role(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Give a member another role."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = get_object_or_404(User, username=username, memberships__collab=collab)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        if apply_or_message(request, lambda: services.change_role(person(request), collab, user, role)):
            messages.success(
                request,
                gettext("%(person)s now has the role %(label)s.")
                % {"person": people_search.label(user), "label": role.label},
            )
    return redirect("collabs:team", slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Remove a member."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = get_object_or_404(User, username=username, memberships__collab=collab)
    if user == request.user:
        return leave(request, slug)
    if apply_or_message(request, lambda: services.remove_member(person(request), collab, user)):
        messages.success(request, gettext("%(person)s is no longer a member.") % {"person": people_search.label(user)})
    return redirect("collabs:team", slug)


@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Leave the Collab, after a confirmation: only an administrator can undo it."""
    collab = get_collab(request, slug, Role.VIEWER)
    own = collab.memberships.filter(user=person(request)).exists()
    by_groups = collab.effective_roles.filter(user=person(request)).exclude(group=None)
    if request.method == "GET" or not own:
        context = {"collab": collab, "own": own, "groups": {row.group for row in by_groups.select_related("group")}}
        return render(request, "collabs/leave.html", context, status=200 if request.method == "GET" else 409)
    if apply_or_message(request, lambda: services.leave(person(request), collab)):
        messages.success(request, gettext("You have left %(title)s.") % {"title": collab.title})
        return redirect(collab if by_groups.exists() else "collabs:directory")
    return redirect("collabs:team", slug)


@require_http_methods(["GET", "POST"])
def hand_over(request: HttpRequest, slug: str) -> HttpResponse:
    """Hand the Collab over: another member becomes administrator in the person's place."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = HandOverForm(request.POST or None, collab=collab, user=person(request))
    if form.is_valid():
        user, stay_as = form.cleaned_data["person"], form.cleaned_data["stay_as"]
        try:
            services.hand_over(person(request), collab, user, Role(stay_as) if stay_as else None)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request,
                gettext("%(display_name)s is now administrator of %(title)s.")
                % {"display_name": user.display_name, "title": collab.title},
            )
            return redirect(collab if collab.role_of(request.user) or collab.is_public else "collabs:directory")
    return render(
        request, "collabs/hand_over.html", {"collab": collab, "form": form}, status=422 if form.errors else 200
    )
