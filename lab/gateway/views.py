"""The proxy's subrequests (auth_request), and the three steps by which a browser enters a Lab.

1. Lab's origin: `arrive`, no pass. A cookie says "it was this browser"; on to the portal.
2. Portal: `issue_ticket`. Signed in, and it is their own Lab: a one-use ticket, back to the Lab's origin.
3. Lab's origin: `redeem_ticket`. Ticket and cookie fit: a pass for this origin; on to where it was going.
"""

from urllib.parse import urlencode

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from lab.launchers import LauncherUnavailableError
from lab.locations import paths
from lab.models import Pass, Server, State
from lab.servers import reconciler
from portal.digest import digest
from portal.models import User
from portal.web.redirects import redirect_off_site

from . import passes

PORTAL_STYLES = [settings.PORTAL_URL]
"""The two pages that are shown on a Lab's origin take the portal's style sheets."""
_ID_DIGITS = 18
"""Longer ones are no row's: databases hold 64 bits."""


@csrf_exempt
def auth(request: HttpRequest) -> HttpResponse:
    """auth_request of the proxy for every request to a Lab; it may cache a yes for two seconds.

    204 with server, token and pass, 401 (nobody, or no server), 403 (not from here).
    """
    username = passes.username_of(request)
    method = request.headers.get("X-Original-Method", "GET")
    if not passes.may_send(request.headers, method, username):
        return HttpResponse(status=403)
    found = passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username)
    if found is None or found.server is None:
        return HttpResponse(status=401)
    server_id, token = found.server
    told = {"X-Lab-Server": server_id.hex, "X-Lab-Token": token, "X-Lab-Pass": str(found.pk)}
    return HttpResponse(status=204, headers=told)


@require_GET
def rooms(request: HttpRequest) -> HttpResponse:
    """auth_request of the proxy for requests to rooms from a Lab's origin; it may cache a yes for two seconds.

    204 with the person and the pass, whether a server runs or not; 401 (nobody), 403 (not from that Lab's own pages).
    """
    username = passes.username_of(request)
    method = request.headers.get("X-Original-Method", "GET")
    if not request.headers.get("Origin") or not passes.may_send(request.headers, method, username):
        return HttpResponse(status=403)
    found = passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username)
    if found is None:
        return HttpResponse(status=401)
    return HttpResponse(status=204, headers={"X-Rooms-Person": str(found.user_id), "X-Rooms-Grant": f"pass {found.pk}"})


@csrf_exempt
@require_POST
def valid_passes(request: HttpRequest) -> HttpResponse:
    """Asked by the relay of WebSockets: which of these passes are still good.

    Ids with commas in between, both ways; a line break ends the answer.
    """
    asked = [int(word) for word in request.body.split(b",") if word.isdigit() and len(word) <= _ID_DIGITS]
    return HttpResponse(",".join(map(str, passes.valid_passes(asked))) + "\n", content_type="text/plain")


@csrf_exempt
@csp_update({"style-src": PORTAL_STYLES})
def arrive(request: HttpRequest) -> HttpResponse:
    """Everything on a Lab's origin that the proxy cannot pass on: people are led on, programs get a short answer."""
    response = _arrive(request)
    add_never_cache_headers(response)
    return response


def _arrive(request: HttpRequest) -> HttpResponse:
    username = passes.username_of(request)
    method = request.headers.get("X-Original-Method", request.method or "GET")
    if not username or not passes.may_send(request.headers, method, username):
        return _short(403, "This request does not come from this Lab's own pages.")
    place = paths.local_address(request.headers.get("X-Original-URI", "/"))
    found = passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username)
    navigation = passes.is_navigation(request.headers, method)
    if found is None:
        if not navigation:
            return _short(401, passes.SIGN_IN_AGAIN)
        return _to_portal_for_ticket(request, username, place)
    running = _check(found)
    if not navigation:
        return _short(503, "This Lab is busy; try again." if running else passes.START_AGAIN)
    if running:
        return _try_again(request, place)
    return HttpResponseRedirect(f"{settings.PORTAL_URL}{reverse('lab:home')}?{urlencode({'next': place})}")


def _check(found: Pass) -> bool:
    """True if the person's server runs; a running row that the proxy could not reach is compared with the launcher."""
    server = Server.objects.filter(owner=found.user_id, state=State.RUNNING).first()
    if server is None:
        return False
    try:
        reconciler.check_now(server)
    except LauncherUnavailableError:
        return True  # nothing is known against it
    return Server.objects.filter(pk=server.pk, state=State.RUNNING).exists()


def _short(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message, "reason": message}, status=status)


def _try_again(request: HttpRequest, place: str) -> HttpResponse:
    """Page of a Lab that runs but does not answer yet; the browser tries again in a second, without a redirect loop."""
    response = render(request, "lab/busy.html", {"place": place}, status=503)
    response["Refresh"] = f"1; url={place}"
    response["Retry-After"] = "1"
    return response


def _to_portal_for_ticket(request: HttpRequest, username: str, place: str) -> HttpResponse:
    """Step 1. Tabs that arrive at the same time share one state cookie, so none breaks another's way in."""
    state = passes.cookie(request, passes.STATE_COOKIE) or passes.new_secret()
    query = urlencode({"user": username, "next": place, "state": digest(state)})
    response = HttpResponseRedirect(f"{settings.PORTAL_URL}{reverse('lab:enter')}?{query}")
    _set_cookie(response, passes.STATE_COOKIE, state)
    return response


@require_GET
@never_cache
@login_required
def issue_ticket(request: HttpRequest) -> HttpResponse:
    """Step 2, on the portal: a ticket to one's own Lab.

    Whoever asks for somebody else's is offered the same place in theirs.
    """
    username = request.GET.get("user", "").lower()
    place = paths.local_address(request.GET.get("next", ""))
    state = request.GET.get("state", "")
    if not isinstance(request.user, User) or request.user.username != username:
        return render(request, "lab/not_your_lab.html", {"path": paths.path_at(place)}, status=403)
    if not passes.is_digest(state):
        return redirect_to_lab(request, paths.origin(username) + place)
    ticket = passes.issue_ticket(request.user, request.session.session_key or "", state, place)
    query = urlencode({"ticket": ticket})
    return redirect_to_lab(request, f"{paths.origin(username)}{paths.PRIVATE}/enter?{query}")


@require_GET
@never_cache
@csp_update({"style-src": PORTAL_STYLES})
def redeem_ticket(request: HttpRequest) -> HttpResponse:
    """Step 3, on the Lab's origin (`/.collaboratory/enter`)."""
    username = passes.username_of(request)
    ticket = passes.redeem_ticket(request.GET.get("ticket", ""), username, passes.cookie(request, passes.STATE_COOKIE))
    if ticket is not None:
        secret, _expires = passes.issue_pass(ticket)
        response = HttpResponseRedirect(paths.origin(username) + ticket.place)
        _set_cookie(response, passes.PASS_COOKIE, secret)
        return response
    if username and passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username):
        return HttpResponseRedirect(paths.origin(username) + paths.HOME)  # the back button, with a used ticket
    return render(request, "lab/ticket_refused.html", {"place": paths.HOME}, status=403)


def _set_cookie(response: HttpResponse, name: str, secret: str) -> None:
    """Host-only: no Domain, so no other Lab gets or (with __Host-) sets it."""
    response.set_cookie(name, secret, path="/", secure=settings.HTTPS, httponly=True, samesite="Lax")


def redirect_to_lab(request: HttpRequest, address: str) -> HttpResponse:
    """Go to a Lab's origin, from wherever the browser comes."""
    return redirect_off_site(request, address, "lab/redirect_to_lab.html")
