"""The page of one's tokens."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import person

from . import services
from .forms import TokenForm
from .models import Scope, Token

SHOWN = 200


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """My tokens, and a form for another; a new one's secret is on the answer to that form, and nowhere again."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _page(request, form, 422 if form.errors else 200)
    data = form.cleaned_data
    scopes = [Scope(name) for name in data["scopes"]]
    try:
        made, secret = services.create_token(person(request), name=data["name"], scopes=scopes, days=data["days"])
    except ValidationError as error:
        form.add_error(None, error)
        return _page(request, form, 422)
    return _page(request, TokenForm(), made=made, secret=secret)


def _page(request: HttpRequest, form: TokenForm, status: int = 200, **more: Any) -> HttpResponse:
    rows = Token.objects.filter(user=person(request), revoked_at=None)[:SHOWN]
    return render(request, "api/tokens.html", {"tokens": rows, "form": form} | more, status=status)


@require_POST
@login_required
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of my tokens."""
    token = get_object_or_404(Token, pk=pk, user=person(request))
    services.revoke_token(person(request), token)
    messages.success(request, f"“{token.name}” opens nothing any more.")
    return redirect("tokens")
