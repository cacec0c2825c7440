"""End one of one's own sessions; the list and "sign out everywhere else" are allauth's."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import audit
from portal.access import person

from . import services


@login_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End a session of mine; the current one by the sign-out page."""
    session = get_object_or_404(UserSession, pk=pk, user=person(request))
    if session.is_current():
        return redirect("account_logout")
    session.end()
    services.signed_out(person(request))
    audit.record(person(request), "account.session.ended", person(request))
    messages.success(request, gettext("The session was ended."))
    return redirect("usersessions_list")
