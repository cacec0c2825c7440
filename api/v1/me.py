"""Oneself, and one's Lab."""

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from api.access import credentials
from api.models import Scope
from lab import places, services
from lab.models import Server, StopReason
from portal.access import person

from .shapes import Input, MeOut, ServerOut, Text, route

router = Router(tags=["Me"])
lab = Router(tags=["Lab"])


class PlaceIn(Input):
    """Where to go in the Lab."""

    path: Text = Field(
        "", max_length=places.MAX_LENGTH, description="Below `~/drive`, such as `My Libraries/My Library`."
    )


@router.get("/me", **route(Scope.READ, {200: MeOut}))
def me(request: HttpRequest) -> Any:
    """Whose token this is, and what it allows."""
    user, given = person(request), credentials(request)
    scopes = [Scope(name) for name in given.token.scope_names] if given and given.token else list(Scope)
    return MeOut(username=user.username, name=user.display_name, id=user.uuid, email=user.email, scopes=scopes)


def _shown(server: Server | None) -> ServerOut:
    if server is None:
        nothing: dict[str, Any] = dict.fromkeys(("phase", "url", "place", "why_stopped", "error"), "")
        nothing |= dict.fromkeys(("id", "requested_at", "started_at", "seconds_left"))
        return ServerOut(state="off", is_live=False, **nothing)
    address = places.origin(server.owner.username) + places.address_of(server.place) if server.is_running else ""
    return ServerOut(
        id=server.pk,
        state=server.state,
        phase=server.phase,
        is_live=server.is_live,
        url=address,
        place=server.place,
        requested_at=server.requested_at,
        started_at=server.started_at,
        seconds_left=server.seconds_left,
        why_stopped=server.stop_sentence,
        error=server.error,
    )


def _mine(request: HttpRequest) -> Server | None:
    return Server.objects.select_related("owner").of(person(request))


@lab.get("", **route(Scope.LAB, {200: ServerOut}))
def status(request: HttpRequest) -> Any:
    """My Lab: the live one, or the one that ended last."""
    return _shown(_mine(request))


@lab.post("", **route(Scope.LAB, {202: ServerOut}, 503))
def launch(request: HttpRequest, data: PlaceIn) -> Any:
    """Start my Lab, or do nothing where it runs or starts.

    Ask for its state until it runs; then `url` is for a browser.
    """
    user, path = person(request), places.drive_path(data.path)
    found = places.find(user, path)
    if isinstance(found, places.Missing):
        raise Http404(found.reason)
    services.request_server(user, user, found.path)
    return Status(202, _shown(_mine(request)))


@lab.delete("", **route(Scope.LAB, {202: ServerOut}, 409))
def stop(request: HttpRequest) -> Any:
    """Stop my Lab. Its environment is gone then; what is in `~/drive` stays. Doing it twice does no harm."""
    user = person(request)
    server = Server.objects.live().filter(owner=user).first()
    if server:
        services.stop_server(user, server, StopReason.ASKED)
    return Status(202, _shown(_mine(request)))
