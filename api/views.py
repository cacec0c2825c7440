"""Pages of a person's access tokens: list, create, revoke."""

from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import person

from . import services
from .forms import TokenForm
from .models import Scope, Token

SHOWN = 200


@never_cache
@login_required
@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    """List my tokens."""
    return _page(request)


def _page(request: HttpRequest, **more: Any) -> HttpResponse:
    rows = Token.objects.filter(user=person(request), revoked_at=None)[:SHOWN]
    return render(request, "api/tokens.html", {"tokens": rows} | more)


@never_cache
@reauthentication_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Create a token; its secret is shown on the answer only.

    It outlives the session, so the password is asked for first.
    """
    form = TokenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "api/new_token.html", {"form": form}, status=422 if form.errors else 200)
    data = form.cleaned_data
    scopes = [Scope(name) for name in data["scopes"]]
    try:
        made, secret = services.create_token(person(request), name=data["name"], scopes=scopes, days=data["days"])
    except ValidationError as error:
        form.add_error(None, error)
        return render(request, "api/new_token.html", {"form": form}, status=422)
    return _page(request, made=made, secret=secret)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one of my tokens."""
    token = get_object_or_404(Token, pk=pk, user=person(request))
    services.revoke_token(person(request), token)
    messages.success(request, gettext("“%(name)s” was revoked.") % {"name": token.name})
    return redirect("tokens")
