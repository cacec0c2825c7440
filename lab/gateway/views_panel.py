"""Requests of the panel in JupyterLab, on the Lab's own origin (`/.collaboratory/…`): state, keep, stop, restore, view.

Its person's code runs on that origin too, so nothing is here that this code may not do: it is about this one server,
and about files that it may write.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from collabs.models import Collab
from drive.models import File
from drive.storage import StorageError, path_codec
from drive.versions import trash
from lab.environments import kept_packages, selection, simple_view
from lab.launchers import LauncherUnavailableError
from lab.locations import paths, presence
from lab.models import Server, StopReason
from lab.servers import keep_alive, reconciler, services
from portal import languages
from portal.models import User

from . import passes

View = Callable[[HttpRequest, User], HttpResponse]


def _of_the_lab(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Requests that the Lab's own pages send, with a pass into it. The Origin stands in for a CSRF token."""

    @csrf_exempt
    @never_cache
    def wrapped(request: HttpRequest) -> HttpResponse:
        username = passes.username_of(request)
        if not username or not passes.may_send(request.headers, request.method or "GET", username):
            return _short(403, "This request does not come from this Lab's own pages.")
        found = passes.find_pass(passes.cookie(request, passes.PASS_COOKIE), username)
        if found is None:
            return _short(401, passes.SIGN_IN_AGAIN)
        with languages.speaking_to(found.user):
            return view(request, found.user)

    return wrapped


@require_POST
@_of_the_lab
def state(request: HttpRequest, user: User) -> HttpResponse:
    """State of the Lab as JSON: time left, notes, and who else works in the library of `path`.

    `died`: a kernel has ended; whether a limit was the cause is looked up now, not in the reconciler's next round.
    """
    server = _running(user)
    if server and "died" in request.POST:
        with suppress(LauncherUnavailableError):  # the reconciler tells it later
            reconciler.check_now(server)
    return _state(user, request.POST.get("path", ""))


@require_POST
@_of_the_lab
def keep(request: HttpRequest, user: User) -> HttpResponse:
    """Keep it for `hours`; 409 when that cannot be."""
    server, hours = _running(user), request.POST.get("hours", "")
    if server is None or hours not in map(str, keep_alive.HOURS) or not keep_alive.keep(user, server, int(hours)):
        return _short(409, "Your Lab is not running, or cannot be kept for that long.")
    return _state(user)


@require_POST
@_of_the_lab
def stop(request: HttpRequest, user: User) -> HttpResponse:
    """Stop it."""
    server = _running(user)
    if server is None or not services.stop_server(user, server, StopReason.ASKED):
        return _short(409, "Your Lab is not running.")
    return _state(user)


@require_POST
@_of_the_lab
def notebook_view(request: HttpRequest, user: User) -> HttpResponse:
    """Have notebooks open in `view` from now on."""
    if not simple_view.choose(user, request.POST.get("view", "")):
        return _short(409, "This cannot be chosen here.")
    return _state(user)


@require_POST
@_of_the_lab
def restore(request: HttpRequest, user: User) -> HttpResponse:
    """Put the file at `path` back, which somebody deleted while it is open here. 404 where it is not in the trash."""
    location = presence.in_front(user, request.POST.get("path", ""))
    if location.library is None or not location.inside or not location.may_write:
        return _short(403, "You may not change this library.")
    here = File.objects.filter(library=location.library, path=path_codec.to_row(location.inside))
    file = here.exclude(trashed=None).select_related("trashed").order_by("-trashed__deleted_at").first()
    if file is None or file.trashed is None:
        return _short(404, "It is not in the trash.")
    if file.trashed.kind != "file":
        return _short(409, f"Its folder, “{file.trashed.path}”, was deleted: restore that from the library’s trash.")
    try:
        trash.restore(user, file.trashed)
    except StorageError as error:
        return _short(409, str(error))
    return _state(user)


def _running(user: User) -> Server | None:
    return Server.objects.running().filter(owner=user).first()


def _state(user: User, path: str | None = None) -> JsonResponse:
    """`path`: of the file in front; None: it was not said, and what was said last is true still."""
    server = Server.objects.of(user)
    running = server if server and server.is_running else None
    said: dict[str, Any] = {"running": running is not None, "seconds_left": 0, "stops_at": "", "sentence": ""}
    warn_before = keep_alive.warn_before(running or Server())
    said |= {"notes": [], "keep": [], "warning": "", "warn_before": warn_before.total_seconds()}
    if running and running.idle_at:
        said |= {"seconds_left": running.seconds_left, "stops_at": running.idle_at.isoformat(timespec="minutes")}
        said |= {"sentence": keep_alive.left_sentence(running), "warning": keep_alive.warning_sentence(running)}
        absence = simple_view.absence(user, running)
        said |= {"notes": [*running.notes, absence] if absence else running.notes}
        said |= {"keep": keep_alive.hours_offered(running)}
    said |= {"notebook_view": user.notebook_view if simple_view.is_offered() else ""}
    location = presence.in_front(user, path or "")
    if running and path is not None:
        said |= {"others": [asdict(other) for other in presence.report(running, location)]}
        said |= {"other_environment": _other_environment(running, location)}
        said |= {"packages": _packages(user, location)}
    portal = {name: settings.PORTAL_URL + reverse(f"lab:{page}") for name, page in _PAGES.items()}
    return JsonResponse(said | _end(server) | portal | _place(user, running, location))


_PAGES = {"portal_lab": "home", "portal_open": "open"}


def _end(server: Server | None) -> dict[str, str]:
    """State of a Lab that does not run; `ended`: why, empty while it is starting again."""
    if server is None or server.is_running:
        return {"state": "stopped", "ended": ""}
    if server.is_on_the_way:
        return {"state": "starting", "ended": ""}
    return {"state": "closing" if server.is_live else "stopped", "ended": server.stop_sentence}


def _other_environment(server: Server, location: paths.Location) -> dict[str, Any] | None:
    """Hint that the Collab in front has chosen another environment than the Lab has."""
    found = selection.other_environment(server, location)
    if found is None:
        return None
    chosen, said = found
    return {"said": said, "link": {"path": location.path, "environment": chosen.slug}}


def _packages(user: User, location: paths.Location) -> dict[str, str] | None:
    """Hint that the Collab in front has packages that its person has not said yes or no to."""
    found = kept_packages.question(user, location)
    return {"said": found[0], "url": settings.PORTAL_URL + found[1]} if found else None


def _place(user: User, server: Server | None, location: paths.Location) -> dict[str, str]:
    """Name and address of the library in front, else of the one that the Lab was opened at, while they may see it."""
    library = location.library or (paths.locate(user, server.place).library if server and server.place else None)
    if library is None:
        return {"place_name": "", "place_url": settings.PORTAL_URL + "/"}
    owner = library.owner_collab or library
    name = owner.title if isinstance(owner, Collab) else owner.name
    return {"place_name": name, "place_url": settings.PORTAL_URL + owner.get_absolute_url()}


def _short(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message, "reason": message}, status=status)
