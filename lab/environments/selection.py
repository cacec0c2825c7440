"""Which environment a Lab starts in, and choosing it: for one launch, for a person, for a Collab.

What is asked for at a launch goes first (the page, or `?environment=` in a link), then what the Collab has chosen whose
library the Lab is opened at, then what the person chose last, then the site's default. One that is retired is not
offered any more, and goes on for whoever has chosen it or follows a link that names it.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from collabs.models import Collab
from collabs.services import ArchivedError
from lab.locations import paths
from lab.models import Environment, Server
from lab.models.environments import ChosenEnvironment, CollabEnvironment
from portal import audit
from portal.models import User

if TYPE_CHECKING:
    from django.db.models import QuerySet


def for_place(user: User, path: str) -> Environment | None:
    """What the person's Lab starts in at this path of the Drive if nothing else is asked for; None: there is none.

    A Collab's choice counts only where the person has its library: whoever has not learns nothing of it.
    """
    found = paths.find(user, path) if path else None
    if isinstance(found, paths.Found) and found.library_id and (theirs := of_library(found.library_id)):
        return theirs
    chosen = ChosenEnvironment.objects.filter(user=user).select_related("environment").first()
    return chosen.environment if chosen else Environment.objects.default()


def of_library(library_id: UUID) -> Environment | None:
    """What the Collab has chosen that owns the library."""
    row = CollabEnvironment.objects.filter(collab__library=library_id).select_related("environment").first()
    return row.environment if row else None


def of_collab(collab: Collab) -> Environment | None:
    """What the Collab has chosen."""
    row = CollabEnvironment.objects.filter(collab=collab).select_related("environment").first()
    return row.environment if row else None


def named(slug: str) -> Environment | None:
    """What a link or a page asks for; None: there is none of that name, or none is asked for."""
    return Environment.objects.ready().filter(slug=slug).first() if slug else None


def offered(current: Environment | None = None) -> "QuerySet[Environment]":
    """What can be chosen: all that are not retired, and the one that is chosen already."""
    return Environment.objects.ready().filter(Q(is_retired=False) | Q(pk=current.pk if current else None))


def choice(user: User, server: Server | None, path: str) -> dict[str, object]:
    """For a page on which a Lab is started: what to offer, and what is chosen already.

    Nothing where there is only one, and while something is on its way.
    """
    if server and server.is_live and not server.is_running:
        return {}
    current = server.environment if server and server.is_running else for_place(user, path)
    found = list(offered(current))
    return {"environments": found, "chosen": current} if len(found) > 1 else {}


@transaction.atomic
def remember(user: User, environment: Environment) -> None:
    """Have the person's Labs start in it from now on."""
    ChosenEnvironment.objects.update_or_create(user=user, defaults={"environment": environment})


def prefer(user: User, environment: Environment, path: str) -> None:
    """As `remember`, but not what a Lab starts in there anyway: a Collab's choice does not become the person's."""
    if environment != for_place(user, path):
        remember(user, environment)


@transaction.atomic
def choose_for_collab(actor: User, collab: Collab, environment: Environment | None) -> None:
    """Have Labs that are opened at the Collab's library start in it; None: in the site's default.

    Raises ValidationError for one that is archived.
    """
    row = Collab.objects.select_for_update().get(pk=collab.pk)
    before = of_collab(row)
    if before == environment:
        return
    if row.archived_at:
        raise ArchivedError
    if environment is None:
        CollabEnvironment.objects.filter(collab=row).delete()
    else:
        CollabEnvironment.objects.update_or_create(collab=row, defaults={"environment": environment})
    audit.record(actor, "collab.environment.changed", row, environment=environment.slug if environment else "")


def settings_page(collab: Collab) -> dict[str, str]:
    """For the page of the Collab's settings (PORTAL_HOOKS)."""
    current = of_collab(collab)
    chosen = f"“{current.name}”" if current else "the site’s default, or what each person has chosen"
    return {
        "title": "Environment in the Lab",
        "text": f"The software that notebooks of this Collab find when they are opened in the Lab: {chosen}.",
        "label": "Choose the environment",
        "url": reverse("collab_environment", args=[collab.slug]),
    }
