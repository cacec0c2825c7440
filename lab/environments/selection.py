"""Selection of the environment that a Lab starts in: for one launch, for a person, for a Collab.

What is asked for at a launch goes first (the page, or `?environment=` in a link), then what the Collab has chosen whose
library the Lab is opened at, then what the person chose last, then the site's default. One that is retired is not
offered any more, and goes on for whoever has chosen it or follows a link that names it.
"""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from collabs.models import Collab
from collabs.services import ArchivedError
from drive.models import Library
from lab import group_limits
from lab.locations.paths import Location
from lab.models import Environment, Server
from lab.models.environments import ChosenEnvironment, CollabEnvironment
from portal import audit
from portal.access import ForbiddenError
from portal.models import User

if TYPE_CHECKING:
    from django.db.models import QuerySet


def is_offered() -> bool:
    """Whether Labs start in environments of this site: a Hub starts its own image, whatever anybody chose before."""
    return settings.LAB_LAUNCHER != "jupyterhub"


def for_location(user: User, location: Location) -> Environment | None:
    """Environment that the person's Lab starts in at this location unless another is asked for; None: there is none.

    A Collab's choice counts only where the person has its library: whoever has not learns nothing of it. No choice
    counts that is not for the person.
    """
    if not is_offered():
        return Environment.objects.default()
    allowed = group_limits.usable(user)
    if location.library and (theirs := chosen_for_library(location.library)) and theirs in allowed:
        return theirs
    chosen = ChosenEnvironment.objects.filter(user=user, environment__in=allowed).select_related("environment").first()
    return chosen.environment if chosen else allowed.default()


def check_may_use(user: User, environment: Environment | None) -> None:
    """Raise ForbiddenError unless the environment, if one is asked for, is for the person."""
    if environment and is_offered() and not group_limits.usable(user).filter(pk=environment.pk).exists():
        raise ForbiddenError(
            gettext("The environment “%(name)s” is not for you. Start your Lab in another one, or ask an operator.")
            % {"name": environment.name}
        )


def other_environment(server: Server, location: Location) -> tuple[Environment, str] | None:
    """Environment of the Collab at this location, with a sentence, if a Lab runs in another one; else None."""
    chosen = chosen_for_library(location.library) if location.library else None
    if chosen is None or chosen == server.environment or chosen not in group_limits.usable(server.owner):
        return None
    name = location.path.split("/")[1]
    said = gettext("“%(name)s” uses the environment %(theirs)s; your Lab runs in %(yours)s.")
    return chosen, said % {"name": name, "theirs": chosen.name, "yours": server.environment.name}


def chosen_for_library(library: Library) -> Environment | None:
    """Environment chosen by the Collab that owns the library; None for a person's library."""
    return _of_collab(library.owner_collab_id) if library.owner_collab_id else None


def chosen_for_collab(collab: Collab) -> Environment | None:
    """Environment chosen by the Collab, if any."""
    return _of_collab(collab.pk)


def _of_collab(collab_id: int) -> Environment | None:
    if not is_offered():
        return None
    row = CollabEnvironment.objects.filter(collab=collab_id).select_related("environment").first()
    return row.environment if row else None


def by_slug(slug: str) -> Environment | None:
    """Environment by the name in a link or form; None if there is none of that name, or no name."""
    return Environment.objects.ready().filter(slug=slug).first() if slug else None


def selectable(user: User, current: Environment | None = None) -> "QuerySet[Environment]":
    """Environments to choose from: those for the person that are not retired, and the current one."""
    mine = Q(is_retired=False, pk__in=group_limits.usable(user).values("pk"))
    return Environment.objects.ready().filter(mine | Q(pk=current.pk if current else None))


def choice_context(user: User, server: Server | None, location: Location) -> dict[str, object]:
    """Template context of the choice of an environment: what is offered, and what is chosen already.

    Nothing where there is only one.
    """
    current = server.environment if server and server.is_running else for_location(user, location)
    found = list(selectable(user, current))
    return {"environments": found, "chosen": current} if len(found) > 1 else {}


@transaction.atomic
def remember(user: User, environment: Environment) -> None:
    """Have the person's Labs start in it from now on."""
    ChosenEnvironment.objects.update_or_create(user=user, defaults={"environment": environment})


def remember_unless_default(user: User, environment: Environment, location: Location) -> None:
    """Remember, unless it is the default at that location: a Collab's choice does not become the person's."""
    if environment != for_location(user, location):
        remember(user, environment)


@transaction.atomic
def choose_for_collab(actor: User, collab: Collab, environment: Environment | None) -> None:
    """Have Labs that are opened at the Collab's library start in it; None: in the site's default.

    Raises ValidationError for one that is archived.
    """
    row = Collab.objects.select_for_update().get(pk=collab.pk)
    before = chosen_for_collab(row)
    if before == environment:
        return
    if row.archived_at:
        raise ArchivedError
    if environment is None:
        CollabEnvironment.objects.filter(collab=row).delete()
    else:
        CollabEnvironment.objects.update_or_create(collab=row, defaults={"environment": environment})
    audit.record(actor, "collab.environment.changed", row, environment=environment.slug if environment else "")


def settings_page(collab: Collab) -> dict[str, str] | None:
    """The environment's entry on the page of a Collab's settings (PORTAL_HOOKS); None where none can be chosen."""
    if not is_offered():
        return None
    current = chosen_for_collab(collab)
    if current:
        said = gettext("The environment in which notebooks of this Collab open in the Lab: “%(name)s”.")
        said %= {"name": current.name}
    else:
        said = gettext(
            "The environment in which notebooks of this Collab open in the Lab: the site’s default, or what each "
            "person has chosen."
        )
    return {
        "title": gettext("Environment in the Lab"),
        "text": said,
        "label": gettext("Choose the environment"),
        "url": reverse("collab_environment", args=[collab.slug]),
    }
