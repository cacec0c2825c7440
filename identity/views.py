"""OpenID Connect provider: stricter authorization and token endpoints around allauth's; a person's list of services."""

import hashlib

from allauth.idp.oidc import views as oidc
from allauth.idp.oidc.models import Client
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from portal.access import person
from portal.web.redirects import redirect_off_site

from . import services

SPENT_SECONDS = 300


@csrf_exempt  # allauth checks the token of its own form; a first POST from a service has none (Core 3.1.2.1)
@never_cache
def authorize(request: HttpRequest) -> HttpResponse:
    """Authorization endpoint: ask the person for consent.

    Beside what allauth asks: PKCE with S256 of all, so that a stolen code is worth nothing, and an address to return to
    that is registered letter by letter (RFC 9700, 2.1.1 and 2.1).
    """
    wrong = _what_is_wrong(request) if request.method == "GET" else ""
    if wrong:
        return render(request, "idp/oidc/error.html", {"error": {"description": wrong}}, status=400)
    response: HttpResponse = oidc.authorization(request)
    target = response.get("Location", "")
    if response.status_code != 302 or target.startswith("/"):
        return response
    return redirect_off_site(request, target)


def _what_is_wrong(request: HttpRequest) -> str:
    asked = request.GET
    if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
        return "The service does not use PKCE with S256, which this site requires."
    client = Client.objects.filter(pk=asked.get("client_id", "")).first()
    if client is None or asked.get("redirect_uri") not in client.get_redirect_uris():
        return "Unknown service, or its redirect address is not registered."
    return ""


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Token endpoint; a code or refresh token is accepted once, even by simultaneous requests."""
    spent = request.POST.get("code") or request.POST.get("refresh_token")
    if spent and not cache.add(f"identity-spent:{hashlib.sha256(spent.encode()).hexdigest()}", True, SPENT_SECONDS):
        return JsonResponse({"error": "invalid_grant"}, status=400, headers={"Cache-Control": "no-store"})
    response: HttpResponse = oidc.token(request)
    return response


def not_offered(request: HttpRequest) -> HttpResponse:
    """404 for the device flow: whoever makes a person type in a code gets their account."""
    raise Http404


@require_GET
@never_cache
@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """List the services that have access to my account."""
    return render(request, "identity/services.html", {"services": services.services_of(person(request))})


@require_POST
def revoke(request: HttpRequest, client_id: str) -> HttpResponse:
    """Revoke a service's access to my account."""
    me = person(request)
    client = get_object_or_404(services.services_of(me), pk=client_id)
    services.revoke(me, me, Client.objects.get(pk=client.pk))
    messages.success(request, f"{client.name} no longer has access to your account.")
    return redirect("services")
