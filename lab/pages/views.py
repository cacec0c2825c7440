"""The Lab's pages on the portal: what state it is in, open it at a place, stop it."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from lab import group_limits
from lab.environments import selection, simple_view
from lab.environments import views as environment_views
from lab.formats import size
from lab.gateway.views import redirect_to_lab
from lab.launchers import get_launcher
from lab.locations import copies, paths
from lab.locations import views as location_views
from lab.locations.paths import Location
from lab.models import Environment, Pause, Phase, Server, State, StopReason
from lab.servers import keep_alive, limits, services
from lab.servers.clients import client_of
from lab.servers.clients.jupyter import JupyterError
from portal.access import ForbiddenError, person
from portal.models import User
from portal.ops.task_queue import broker_is_up, publish

from . import previews, resource_use, starters

ASK_SECONDS = 2
"""What a Lab has to say whether something runs in it."""
FULL_SECONDS = 30
"""So often the page of a link that found the Lab full tries again."""


@require_GET
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """My Lab: its state, or on with it to `next` when it runs and somebody was on the way there."""
    place = _place(request)
    server = Server.objects.of(person(request))
    if server and server.is_running and place:
        return redirect_to_lab(request, _address(server, place))
    context = _context(person(request), server, place) | {"allowed": _allowed(person(request))}
    return render(request, "lab/home.html", context | {"shown": previews.at_place(request, place)})


@require_GET
@never_cache
@login_required
def open_place(request: HttpRequest) -> HttpResponse:
    """Open the Lab at a path of the Drive; the address stays valid for ever and starts what has to be started."""
    try:
        path = paths.drive_path(request.GET.get("path", ""))
    except paths.InvalidLocationError as error:
        return render(request, "lab/invalid_location.html", {"error": error}, status=400)
    location = paths.find_file(person(request), path)
    if isinstance(location, paths.Missing):
        return render(request, "lab/missing_location.html", {"path": path, "missing": location}, status=404)
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        return HttpResponse(status=204)  # the browser only guesses that somebody may click
    slug = request.GET.get("environment", "")
    environment = selection.by_slug(slug)
    if slug and environment is None:
        return environment_views.unknown_environment(request, slug, location.path)
    if request.GET.get("as") != "read-only" and copies.is_read_only_notebook(location):
        return location_views.choose(request, location)
    address = simple_view.address_of(person(request), location.path)
    try:
        selection.check_may_use(person(request), environment)
    except ForbiddenError as error:
        return _not_now(request, address, location, error)
    if environment and (server := _in_another(person(request), environment)):
        return environment_views.confirm_switch(request, server, environment, location.path, address)
    return _go(request, address, location, environment)


def _allowed(user: User) -> list[resource_use.Allowed]:
    """What applies to the person's next Lab in the environment that it has without another choice."""
    environment = selection.for_location(user, Location())
    return resource_use.allowed(group_limits.applying(user, environment)) if environment else []


def _in_another(user: User, environment: Environment) -> Server | None:
    """The person's Lab, if it runs or starts in another environment."""
    live = Server.objects.live().exclude(state=State.STOPPING).filter(owner=user)
    return live.exclude(environment=environment).select_related("environment").first()


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """The start button; `next` is where to go in the Lab, `restart` the number of a server that is ended for it."""
    me, place, slug = person(request), _place(request), request.POST.get("environment", "")
    location, environment = paths.locate(me, paths.path_at(place)), selection.by_slug(slug)
    if slug and environment is None:
        return environment_views.unknown_environment(request, slug, location.path)
    try:
        selection.check_may_use(me, environment)
    except ForbiddenError as error:
        return _not_now(request, place, location, error)
    if environment and "remember" in request.POST:
        selection.remember_unless_default(me, environment, location)
    server = Server.objects.live().exclude(state=State.STOPPING).filter(owner=me).first()
    if server and server.pk.hex == request.POST.get("restart"):  # of two clicks the second one does not end the new one
        if pause := Pause.objects.current():  # it would be gone, with none in its place
            return _not_now(request, place, location, services.CannotLaunchError(pause.sentence, pause.ends_at))
        services.stop_server(me, server, StopReason.ASKED)
    return _go(request, place, location, environment)


def _go(request: HttpRequest, address: str, location: Location, environment: Environment | None) -> HttpResponse:
    """On to a running Lab, or start one and show how it comes up."""
    me = person(request)
    try:
        server = services.request_server(me, me, location, environment)
    except (services.CannotLaunchError, ForbiddenError) as error:
        return _not_now(request, address, location, error)
    if server.is_running and location.path.endswith(copies.NOTEBOOK):
        publish("lab.tasks.start_kernel", server.pk.hex, location.path)  # a launch does that by itself
    request.lab_server = server  # type: ignore[attr-defined]  # for the header's chip
    if services.wait_briefly(server).is_running:
        return redirect_to_lab(request, _address(server, address))
    if request.method == "POST":
        return redirect(f"{reverse('lab:home')}?{urlencode({'next': address})}")
    context = _context(me, server, address, location) | {"shown": previews.at_location(request, location)}
    return render(request, "lab/home.html", context)


def _not_now(
    request: HttpRequest, address: str, location: Location, error: services.CannotLaunchError | ForbiddenError
) -> HttpResponse:
    """Page that says why nothing was started; its form keeps the address for another try."""
    me = person(request)
    tries_again = isinstance(error, services.LabFullError) and request.method == "GET"
    context = _context(me, Server.objects.of(me), address, location) | {"not_now": error, "tries_again": tries_again}
    context |= {"shown": previews.at_location(request, location)}
    status = 403 if isinstance(error, ForbiddenError) else 503
    response = render(request, "lab/home.html", context, status=status)
    if tries_again:
        response["Refresh"] = FULL_SECONDS
    if until := getattr(error, "until", None):
        response["Retry-After"] = max(1, round((until - timezone.now()).total_seconds()))
    return response


@require_GET
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """The part of the page that is asked for again and again while something is on its way.

    204 when it is as it was.
    """
    if not request.user.is_authenticated:
        return HttpResponse(headers={"HX-Refresh": "true"})
    place = _place(request)
    server = Server.objects.of(person(request))
    if server and server.is_running:
        return HttpResponse(headers={"HX-Redirect": _address(server, place)})
    request.lab_server = server  # type: ignore[attr-defined]  # for the header's chip
    context = _context(person(request), server, place)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, "lab/_state.html", context | {"chip_too": True})


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """The keep button: `hours` more, though nobody uses it."""
    me, hours = person(request), request.POST.get("hours", "")
    server = Server.objects.running().filter(owner=me).first()
    until = keep_alive.keep(me, server, int(hours)) if server and hours in map(str, keep_alive.HOURS) else None
    if until:
        messages.success(
            request,
            gettext("Your Lab is kept until %(until)s, even if idle.")
            % {"until": date_format(timezone.localtime(until), "DATETIME_FORMAT")},
        )
    else:
        messages.info(request, gettext("Your Lab is not running, or cannot be kept for that long."))
    return redirect("lab:home")


@require_GET
@never_cache
def usage(request: HttpRequest) -> HttpResponse:
    """The part of the page that shows what the Lab uses; the page asks for it every few seconds."""
    if not request.user.is_authenticated:
        return HttpResponse(headers={"HX-Refresh": "true"})
    server = Server.objects.running().filter(owner=person(request)).first()
    if server is None:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "lab/_usage.html", {"meters": resource_use.meters(server)})


@require_POST
def notebook_view(request: HttpRequest) -> HttpResponse:
    """The switch of what notebooks open in: `view`."""
    if simple_view.choose(person(request), request.POST.get("view", "")):
        messages.success(request, gettext("Saved. It holds for the next notebook that you open."))
    else:
        messages.info(request, gettext("This cannot be chosen here."))
    return redirect("lab:home")


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """The stop button. It asks once when something runs."""
    me = person(request)
    server = Server.objects.live().filter(owner=me).first()
    if server and server.is_running and "sure" not in request.POST and (running := _running(server)):
        return render(request, "lab/confirm_stop.html", {"running": running})
    if server is None or not services.stop_server(me, server, StopReason.ASKED):
        messages.info(request, gettext("Your Lab was not running."))
    elif server.state == State.STOPPING and not broker_is_up():
        messages.warning(
            request, gettext("The site's task queue is not responding: your Lab is stopped as soon as it is back.")
        )
    return redirect("lab:home")


def _running(server: Server) -> list[str]:
    """What a stop would cut off, in words. A Lab that does not say so in time has nothing."""
    try:
        found = client_of(server).activity(ASK_SECONDS)
    except JupyterError:
        return []
    kernels, commands = found.busy_kernels, found.running_commands
    said = [ngettext("%(count)d notebook or console computes.", "%(count)d notebooks or consoles compute.", kernels)]
    said += [ngettext("%(count)d command runs in a terminal.", "%(count)d commands run in terminals.", commands)]
    counts = (kernels, commands)
    return [text % {"count": count} for text, count in zip(said, counts, strict=True) if count]


def _place(request: HttpRequest) -> str:
    """`next`, an address on the Lab's origin; "" when nobody is on the way anywhere."""
    text = (request.POST if request.method == "POST" else request.GET).get("next", "")
    return paths.local_address(text) if text else ""


def _address(server: Server, place: str) -> str:
    """`server` is running: what JupyterLab has no viewer for is opened in a notebook that loads it."""
    address = simple_view.address_in(server, place or paths.HOME)
    return paths.origin(server.owner.username) + starters.address_at(server.owner, server, address)


def _context(user: User, server: Server | None, place: str, location: Location | None = None) -> dict[str, object]:
    """`location`: of `place`, where it is known; it is looked for otherwise, unless nothing can be chosen now."""
    choice: dict[str, object] = {}
    if server is None or server.is_running or not server.is_live:
        choice = selection.choice_context(user, server, location or paths.locate(user, paths.path_at(place)))
    choice |= simple_view.choice_context(user, server)
    position = Server.objects.queue_position(server) if server and server.state == State.REQUESTED else 0
    rescued = (server.rescued or {}) if server else {}
    return choice | {
        "server": server,
        "place": place,
        "path": paths.path_at(place) if place else "",
        "seen": f"{server.pk.hex[:8]} {server.state} {server.phase} {position} {server.again}" if server else "",
        "steps": _steps(server, position),
        "rescued": rescued,
        "rescued_size": size(rescued.get("bytes", 0)),
        "isolated": get_launcher().isolated,
        "keeps_home": get_launcher().keeps_home,
        "pause": Pause.objects.current(),
        "meters": resource_use.meters(server) if server and server.is_running else [],
        "stays": keep_alive.left_sentence(server) if server else "",
        "hours_offered": keep_alive.hours_offered(server) if server else [],
        "full": limits.full_sentence() if not (server and server.is_live) and limits.looks_full() else "",
        "broker_up": broker_is_up(),
    }


def _steps(server: Server | None, position: int) -> list[tuple[str, str]]:
    """The way to a running Lab: (what, `done`, `now` or `later`)."""
    if server is None or not server.is_on_the_way:
        return []
    if server.state == State.STOPPING:
        names = [
            gettext("Closing your previous Lab"),
            gettext("Waiting for its turn"),
            gettext("Preparing"),
            gettext("Starting Jupyter"),
            gettext("Ready"),
        ]
        return _marked(names, 0)
    if position > 1:
        waiting = gettext("Waiting for its turn: number %(number)s in the queue") % {"number": position}
    else:
        waiting = gettext("Waiting for its turn: next") if position else gettext("Queued")
    is_awaiting = server.phase == Phase.AWAITING
    preparing = Phase.AWAITING.label if is_awaiting else gettext("Preparing your environment and Drive")
    names = [waiting, str(preparing), gettext("Starting Jupyter"), gettext("Ready")]
    order = [Phase.QUEUED, Phase.AWAITING if is_awaiting else Phase.PREPARING, Phase.JUPYTER, Phase.READY]
    return _marked(names, order.index(Phase(server.phase)))


def _marked(names: list[str], current: int) -> list[tuple[str, str]]:
    return [(name, "done" if i < current else "now" if i == current else "later") for i, name in enumerate(names)]
