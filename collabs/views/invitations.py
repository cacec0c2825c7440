"""Pages of invitations: administrators create and withdraw them, invited people accept or decline."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from collabs import invitations
from collabs.access import get_collab
from collabs.forms import InviteForm, LinkForm
from collabs.models import Collab, Invitation, Role
from portal.access import SignInRequiredError, person
from portal.web import rate_limits
from portal.web.views_errors import too_many

PAGE_SIZE = 50


@never_cache
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """List the invitations of a Collab, with the forms for new ones."""
    return _index(request, get_collab(request, slug, Role.ADMINISTRATOR))


def _index(request: HttpRequest, collab: Collab, status: int = 200, **more: Any) -> HttpResponse:
    page = Paginator(collab.invitations.select_related("created_by"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"collab": collab, "page": page, "by_mail": InviteForm(prefix="mail"), "by_link": LinkForm(prefix="link")}
    return render(request, "collabs/invitations.html", context | more, status=status)


@require_POST
def by_mail(request: HttpRequest, slug: str) -> HttpResponse:
    """Send an invitation to an address."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = InviteForm(request.POST, prefix="mail")
    if form.is_valid():
        if not invitations.may_mail(person(request)):
            return too_many(request)
        try:
            invitations.invite_by_mail(person(request), collab, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request, gettext("An invitation is on its way to %(email)s.") % {"email": form.cleaned_data["email"]}
            )
            return redirect("collabs:invitations", slug)
    return _index(request, collab, 422, by_mail=form)


@never_cache
@require_POST
def by_link(request: HttpRequest, slug: str) -> HttpResponse:
    """Create an invitation link, and show it: this once, because only its digest is kept."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    form = LinkForm(request.POST, prefix="link")
    if form.is_valid():
        try:
            _invitation, token = invitations.invite_by_link(person(request), collab, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _index(request, collab, link=f"{settings.PORTAL_URL}{Invitation.path(token)}")
    return _index(request, collab, 422, by_link=form)


@require_POST
def revoke(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Withdraw an invitation."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    invitations.revoke(person(request), get_object_or_404(Invitation, pk=pk, collab=collab))
    messages.success(request, gettext("The invitation was withdrawn."))
    return redirect("collabs:invitations", slug)


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Page of an invitation, for whoever has its link; POST accepts it. 410 if it can no longer be used."""
    where = rate_limits.address(request)
    if not rate_limits.allowed("invitation-page", where, 10 * invitations.WRONG_TOKENS_PER_HOUR, 3600):
        return too_many(request)
    found = invitations.find(token)
    if found is None:
        if not rate_limits.allowed("invitation", where, invitations.WRONG_TOKENS_PER_HOUR, 3600):
            return too_many(request)
        raise Http404(gettext("This invitation does not exist."))
    if request.method == "POST":
        if not request.user.is_authenticated:
            raise SignInRequiredError
        return _accept(request, found)
    context = {"invitation": found, "collab": found.collab, "closed": found.why_closed}
    if request.user.is_authenticated:
        context["my_role"] = found.collab.role_of(request.user)
    return render(request, "collabs/invitation.html", context, status=410 if found.why_closed else 200)


def _accept(request: HttpRequest, found: Invitation) -> HttpResponse:
    try:
        collab = invitations.accept(person(request), found)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("home")
    messages.success(request, gettext("Welcome to %(title)s.") % {"title": collab.title})
    return redirect(collab)


@login_required
@require_POST
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept or decline an invitation sent to one of the person's confirmed addresses."""
    found = get_object_or_404(invitations.waiting_for(person(request)), pk=pk)
    if request.POST.get("answer") == "accept":
        return _accept(request, found)
    invitations.decline(person(request), found)
    messages.success(request, "Declined.")
    return redirect("home")
