"""The person's own Lab: state, environments, start, stop."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from ninja.responses import Status
from pydantic import Field, model_validator

from api.access import lab_server
from api.models import Scope
from api.routing import StrictRouter
from lab.environments import selection
from lab.locations import paths
from lab.models import Environment, Server, State, StopReason
from lab.servers import notifications, saves, services
from portal.access import person
from portal.models import User

from .schemas import EnvironmentOut, Input, Page, Paged, SaveOut, ServerOut, Slug, Text, each, paged, route

router = StrictRouter(tags=["Lab"])


class LaunchIn(Input):
    """Request to start the Lab: path to open and environment."""

    path: Text = Field(
        "", max_length=paths.MAX_LENGTH, description="Below `~/drive`, such as `My Libraries/My Library`."
    )
    environment: Slug | None = Field(
        None,
        description="From `/lab/environments`. Default: the Collab's at this path, else your last, else the site's.",
    )
    remember: bool = Field(False, description="Start your Lab in this environment from now on.")
    restart: bool = Field(False, description="Stop a Lab that runs in another environment first.")

    @model_validator(mode="after")
    def _of_an_environment(self) -> "LaunchIn":
        if self.environment is None and (self.remember or self.restart):
            raise ValueError("`remember` and `restart` need an environment.")
        return self


def _server_out(server: Server | None, hint: str = "") -> ServerOut:
    if server is None:
        nothing: dict[str, Any] = dict.fromkeys(
            ("phase", "url", "path", "place", "environment", "why_stopped", "error"), ""
        )
        nothing |= dict.fromkeys(("id", "requested_at", "started_at", "seconds_left"))
        return ServerOut(state="off", is_live=False, **nothing)
    address = paths.origin(server.owner.username) + paths.address_of(server.place) if server.is_running else ""
    return ServerOut(
        id=server.pk,
        state=server.state,
        phase=server.phase,
        is_live=server.is_live,
        url=address,
        path=server.place,
        place=server.place,
        environment=server.environment.slug,
        requested_at=server.requested_at,
        started_at=server.started_at,
        seconds_left=server.seconds_left,
        why_stopped=server.stop_sentence,
        error=server.error,
        hint=hint,
    )


def _mine(request: HttpRequest) -> Server | None:
    return Server.objects.select_related("owner", "environment").of(person(request))


@router.get("", **route(Scope.LAB, {200: ServerOut}))
def status(request: HttpRequest) -> Any:
    """Get the state of your Lab: the live one, or the one that ended last."""
    return _server_out(_mine(request))


@router.get("/environments", **route(Scope.LAB, {200: Page[EnvironmentOut]}))
def list_environments(request: HttpRequest, paging: Paged) -> Any:
    """List the environments that your Lab can start in."""
    mine = selection.for_location(person(request), paths.Location())

    def environment_out(one: Environment) -> EnvironmentOut:
        names = ("slug", "name", "description", "kind", "is_default", "is_retired")
        return EnvironmentOut(is_mine=one == mine, **{name: getattr(one, name) for name in names})

    return paged(selection.selectable(person(request), mine), paging, each(environment_out))


@router.post("", **route(Scope.LAB, {202: ServerOut}, 409, 503))
def launch(request: HttpRequest, data: LaunchIn) -> Any:
    """Start your Lab; does nothing if it is running or starting.

    Poll its state until it is running; then `url` opens it in a browser. If it runs in another environment than the one
    named, the answer is 409, unless `restart` says to stop it first, which ends running computations. If none is named
    and the Collab at this path wants another one than it runs in, it goes on, and `hint` says so.
    """
    user, path = person(request), paths.drive_path(data.path)
    found = paths.find(user, path)
    if isinstance(found, paths.Missing):
        raise Http404(found.reason)
    environment = _environment(data.environment)
    if environment:
        selection.check_may_use(user, environment)
        _make_way(user, environment, restart=data.restart)
        if data.remember:
            selection.remember_unless_default(user, environment, found)
    services.request_server(user, user, found, environment)
    server = _mine(request)
    wants = server and server.state != State.STOPPING and selection.other_environment(server, found)
    hint = f"{wants[1]} To change: stop it, or send `environment` and `restart`." if wants and not environment else ""
    return Status(202, _server_out(server, hint))


def _environment(slug: str | None) -> Environment | None:
    """Environment by its slug, retired ones included, as in links to the Lab; Http404 for none."""
    if slug is None:
        return None
    found = Environment.objects.ready().filter(slug=slug).first()
    if found is None:
        raise Http404(f"Environment “{slug}” does not exist.")
    return found


def _make_way(user: User, environment: Environment, *, restart: bool) -> None:
    """Stop a Lab in another environment if `restart`; ValidationError (409) otherwise."""
    server = Server.objects.live().filter(owner=user).select_related("environment").first()
    if server is None or server.state == State.STOPPING or server.environment == environment:
        return
    if not restart:
        running = server.environment.slug
        raise ValidationError(f"Your Lab is running in “{running}”. Stop it first, or send `restart`.")
    services.stop_server(user, server, StopReason.ASKED)


@router.delete("", **route(Scope.LAB, {202: ServerOut}, 409))
def stop(request: HttpRequest) -> Any:
    """Stop your Lab. Its environment is deleted; `~/drive` stays. Repeating it does no harm."""
    user = person(request)
    server = Server.objects.live().filter(owner=user).first()
    if server:
        services.stop_server(user, server, StopReason.ASKED)
    return Status(202, _server_out(_mine(request)))


# What a running Lab tells of itself


class RunIn(Input):
    """Cells of a notebook that were run in the Lab."""

    path: Text = Field(min_length=1, max_length=3000, description="Of the notebook, below the home.")
    seconds: float = Field(ge=0, le=10**9)
    cells: int = Field(ge=1, le=10**6)
    error: Text = Field("", max_length=500, description="Why it ended before the last cell; empty if it did not.")


class SaveIn(Input):
    """A file that is saved in the Lab."""

    path: Text = Field(min_length=1, max_length=3000, description="Below `~/drive`, with `/` between names.")


class SaveBegun(SaveIn):
    """Before it is written."""

    wait: bool = Field(True, description="Off: go on, whoever else saves this file now.")


class SaveEnded(SaveIn):
    """After it was written."""

    sha256: Text = Field("", max_length=64, description="SHA-256 of what was written, in hexadecimal.")


@router.post("/saves/begin", **route(Scope.WRITE, {200: SaveOut}, 409, 507))
def begin_save(request: HttpRequest, data: SaveBegun) -> Any:
    """Announce a save in the Lab: what the file holds now becomes a version. For a Lab's own token only.

    `wait` in the response: somebody else saves this file at this moment; ask again.
    """
    return SaveOut(wait=not saves.begin(lab_server(request), data.path, wait=data.wait))


@router.post("/saves/end", **route(Scope.WRITE, {200: SaveOut}, 409, 507))
def end_save(request: HttpRequest, data: SaveEnded) -> Any:
    """Report a save in the Lab: what the file holds becomes a version of yours. For a Lab's own token only."""
    saves.end(lab_server(request), data.path, data.sha256)
    return SaveOut(wait=False)


@router.post("/runs", **route(Scope.WRITE, {204: None}))
def tell_of_run(request: HttpRequest, data: RunIn) -> Any:
    """Send yourself a message that a notebook in the Lab is done, or has failed. For a Lab's own token only."""
    server = lab_server(request)
    notifications.tell_of_run(server, data.path, seconds=data.seconds, cells=data.cells, error=data.error)
    return Status(204, None)
