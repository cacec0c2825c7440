"""What the panel in JupyterLab asks for, on the Lab's own origin (`/.collaboratory/…`): state, keep, stop.

Its person's code runs on that origin too, so nothing is here that this code may not do: it is about this one server.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from drive.models import Library
from portal.models import User

from . import gateway, places, presence, services, staying
from .models import Server, StopReason

View = Callable[[HttpRequest, User], HttpResponse]


def _of_the_lab(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Requests that the Lab's own pages send, with a pass into it. The Origin stands in for a CSRF token."""

    @csrf_exempt
    @never_cache
    def wrapped(request: HttpRequest) -> HttpResponse:
        username = gateway.label_of(request)
        if not username or not gateway.may_send(request.headers, request.method or "GET", username):
            return _short(403, "This request does not come from this Lab's own pages.")
        found = gateway.find_pass(gateway.cookie(request, gateway.PASS_COOKIE), username)
        if found is None:
            return _short(401, "Your sign-in has ended. Reload the page.")
        return view(request, found.user)

    return wrapped


@require_POST
@_of_the_lab
def state(request: HttpRequest, user: User) -> HttpResponse:
    """How long the Lab stays, what its person should know, and who else works in the library of `path`."""
    return _state(user, request.POST.get("path", ""))


@require_POST
@_of_the_lab
def keep(request: HttpRequest, user: User) -> HttpResponse:
    """Keep it for `hours`; 409 when that cannot be."""
    server, hours = _running(user), request.POST.get("hours", "")
    if server is None or hours not in map(str, staying.HOURS) or not staying.keep(user, server, int(hours)):
        return _short(409, "Your Lab does not run, or cannot be kept for that long.")
    return _state(user)


@require_POST
@_of_the_lab
def stop(request: HttpRequest, user: User) -> HttpResponse:
    """Stop it."""
    server = _running(user)
    if server is None or not services.stop_server(user, server, StopReason.ASKED):
        return _short(409, "Your Lab does not run.")
    return _state(user)


def _running(user: User) -> Server | None:
    return Server.objects.running().filter(owner=user).first()


def _state(user: User, path: str | None = None) -> JsonResponse:
    """`path`: of the file in front; None: it was not said, and what was said last is true still."""
    server = _running(user)
    said: dict[str, Any] = {"running": server is not None, "seconds_left": 0, "stops_at": "", "sentence": ""}
    said |= {"notes": [], "keep": [], "warn_before": staying.warn_before().total_seconds()}
    if server and server.idle_at:
        said |= {"seconds_left": server.seconds_left, "stops_at": server.idle_at.isoformat(timespec="minutes")}
        said |= {"sentence": staying.left_sentence(server), "notes": server.notes}
        said |= {"keep": staying.hours_offered(server)}
    if server and path is not None:
        said |= {"others": [asdict(other) for other in presence.note(server, user, path)]}
    name, address = _place(user, server)
    portal = {"place_name": name, "place_url": settings.PORTAL_URL + address}
    return JsonResponse(said | portal | {"portal_lab": settings.PORTAL_URL + reverse("lab:home")})


def _place(user: User, server: Server | None) -> tuple[str, str]:
    """Name and address of the library that its person opened the Lab at, while they may see it."""
    found = places.find(user, server.place) if server and server.place else None
    if not isinstance(found, places.Found) or found.library_id is None:
        return "", "/"
    library = Library.objects.select_related("owner_collab").get(pk=found.library_id)
    owner = library.owner_collab
    return (owner.title, owner.get_absolute_url()) if owner else (library.name, library.get_absolute_url())


def _short(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message, "reason": message}, status=status)
