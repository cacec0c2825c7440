"""OpenID Connect provider: the endpoints, and a person's list of services."""

import time
from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.idp.oidc.internal.oauthlib.utils import (
    convert_response,
    extract_headers,
    extract_params,
    get_uri,
    get_validator_context,
)
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_deny
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from oauthlib.common import Request, add_params_to_uri
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.openid.connect.core.exceptions import LoginRequired

from portal.access import person
from portal.web.redirects import redirect_off_site

from . import services
from .forms import ConsentForm
from .oauth import Server

Answer = tuple[dict[str, str], str, int]
"""Headers, body and status, as oauthlib answers."""


# Authorization


def _answers(view: Callable[[HttpRequest, Request], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """View of a checked authorization request; tells what is wrong with it to its client.

    The person is told instead where the client is unknown or its redirect URI is not registered (RFC 6749, 4.1.2.1).
    """

    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            return view(request, _asked(request))
        except errors.FatalClientError as error:
            return render(request, "idp/oidc/error.html", {"error": error}, status=400)
        except errors.OAuth2Error as error:
            return _leave(request, error.in_uri(error.redirect_uri))

    return wrapped


def _asked(request: HttpRequest) -> Request:
    """The authorization request in the query string, checked alike whatever the method: `scopes`, `client` are set."""
    try:
        _, found = Server().validate_authorization_request(get_uri(request), "GET", "", extract_headers(request))
    except ValueError as error:
        raise errors.InvalidRequestFatalError("Malformed query string.") from error
    asked: Request = found["request"]
    return asked


@csrf_exempt  # a service may post (Core 3.1.2.1); nothing comes of it but the same question as GET
@never_cache
@xframe_options_deny
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Authorization endpoint: lead back to the client with a code, or ask the person first."""
    if request.method == "POST":
        return HttpResponseRedirect(f"{request.path}?{request.POST.urlencode()}")
    return _authorize(request)


@_answers
def _authorize(request: HttpRequest, asked: Request) -> HttpResponse:
    if first := _sign_in_first(request, asked):
        return first
    recognizable = services.is_recognizable(asked.client, asked.redirect_uri)
    trusted = asked.client.skip_consent and recognizable and "consent" not in _prompts(asked)
    if trusted or "none" in _prompts(asked):
        return _give_code(request, asked.scopes)
    return _ask(request, asked, ConsentForm(user=person(request), asked=asked.scopes))


@never_cache
@xframe_options_deny
@require_POST
@_answers
def consent(request: HttpRequest, asked: Request) -> HttpResponse:
    """The person's answer on the consent page, with the same query string as the question, which is checked again."""
    if first := _sign_in_first(request, asked):
        return first
    if request.POST.get("action") != "grant":
        raise errors.AccessDeniedError(request=asked)
    me = person(request)
    form = ConsentForm(request.POST, user=me, asked=asked.scopes)
    if not form.is_valid():
        return _ask(request, asked, form)
    scopes, email = form.cleaned_data["scopes"], form.cleaned_data.get("email", "")
    services.allow(me, asked.client, asked.scopes, scopes, email)
    get_validator_context().email = email or None
    return _give_code(request, scopes)


def _prompts(asked: Request) -> list[str]:
    return (asked.prompt or "").split()


def _sign_in_first(request: HttpRequest, asked: Request) -> HttpResponse | None:
    """Redirect to sign in, or to sign in again where the client wants that (Core 3.1.2.1: `max_age`, `prompt=login`).

    Again is with a password or a second factor, else at the provider that the person comes from. It leads back to the
    same question without these two, which would ask again and again; `auth_time` tells the client whether anybody has.
    """
    query = request.GET.copy()
    question = reverse("idp:oidc:authorization")
    if not request.user.is_authenticated:
        return redirect_to_login(f"{question}?{query.urlencode()}")
    if "login" not in _prompts(asked) and not _is_too_long_ago(request, asked):
        return None
    if "none" in _prompts(asked):
        raise LoginRequired(request=asked)
    query.pop("max_age", None)
    query["prompt"] = " ".join(word for word in _prompts(asked) if word != "login")
    onward = {"next": f"{question}?{query.urlencode()}"}
    me = person(request)
    if get_account_adapter().get_reauthentication_methods(me):
        return redirect(f"{reverse('account_reauthenticate')}?{urlencode(onward)}")
    if provider := services.provider_of(me):
        address = reverse("openid_connect_login", kwargs={"provider_id": provider})
        return redirect(f"{address}?{urlencode(onward | {'auth_params': 'prompt=login'})}")
    raise LoginRequired("This account has no way to sign in again.", request=asked)


def _is_too_long_ago(request: HttpRequest, asked: Request) -> bool:
    if not asked.max_age:
        return False
    signed_in = services.signed_in_at(request)
    return signed_in is None or time.time() - signed_in > int(asked.max_age)


def _ask(request: HttpRequest, asked: Request, form: ConsentForm) -> HttpResponse:
    address = f"{reverse('identity_consent')}?{request.GET.urlencode()}"
    context = {"client": asked.client, "form": form, "address": address}
    return render(request, "idp/oidc/authorization_form.html", context)


def _give_code(request: HttpRequest, scopes: list[str]) -> HttpResponse:
    headers, _, _ = Server().create_authorization_response(
        get_uri(request), "GET", "", extract_headers(request), scopes=scopes, credentials={"user": request.user}
    )
    return _leave(request, headers["Location"])


def _leave(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect to a client, and say who answers, so that it takes no other provider's answer for ours (RFC 9207)."""
    return redirect_off_site(request, add_params_to_uri(address, [("iss", settings.PORTAL_URL)], "#" in address))


# For programs


def _answer(ask: Callable[..., Answer], request: HttpRequest) -> HttpResponse:
    """Answer of oauthlib to a program."""
    try:
        headers, body, status = ask(*extract_params(request))
    except ValueError:  # a query string that is none
        return JsonResponse({"error": "invalid_request"}, status=400)
    except errors.OAuth2Error as error:
        headers, body, status = {"Content-Type": "application/json"}, error.json, error.status_code
        if status in (401, 403):
            headers["WWW-Authenticate"] = f'Bearer error="{error.error}", scope="openid"'
    return convert_response(headers, body, status)


@csrf_exempt
@never_cache
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Token endpoint; a code or refresh token is accepted once, even by simultaneous requests."""
    return _answer(Server().create_token_response, request)


@csrf_exempt
@never_cache
@require_POST
def revoke_token(request: HttpRequest) -> HttpResponse:
    """Revocation endpoint (RFC 7009)."""
    return _answer(Server().create_revocation_response, request)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def userinfo(request: HttpRequest) -> HttpResponse:
    """Claims of the person of an access token that has the scope `openid` (Core 5.3)."""
    return _answer(Server().create_userinfo_response, request)


def not_offered(request: HttpRequest) -> HttpResponse:
    """404 for the device flow: whoever makes a person type in a code gets their account."""
    raise Http404


# For the person


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
    messages.success(request, gettext("%(name)s no longer has access to your account.") % {"name": client.name})
    return redirect("services")
