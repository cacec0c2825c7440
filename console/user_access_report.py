"""Access report of one person: Collabs, libraries, groups and the reason for each, by the functions that pages use."""

from dataclasses import dataclass
from typing import Any

from api.models import Token
from collabs.models import Collab, EffectiveRole, role_rank
from drive.folders import Folder
from drive.libraries.visibility import Entry, entries
from groups.models import Group
from identity.services import services_of
from lab import group_limits
from lab.environments import selection
from lab.locations.paths import Location
from lab.models import Environment, Server
from lab.pages.resource_use import Allowed, allowed
from portal.models import Session, User


@dataclass(frozen=True)
class UserAccessReport:
    """Everything that one person can reach now."""

    groups: list[Group]
    collabs: list[EffectiveRole]
    """Every role in every Collab, the highest first, which is the effective one."""
    libraries: list[Entry]
    public: int
    """Number of public Collabs, which everybody sees."""
    server: Server | None
    lab: list[Allowed]
    """What applies to their next Lab in the environment that they have without another choice."""
    environments: list[Environment]
    """That they may use."""
    sessions: int
    tokens: list[Token]
    services: list[Any]


def report(user: User) -> UserAccessReport:
    """Collect the report in a constant number of queries."""
    routes = EffectiveRole.objects.filter(user=user, collab__deleted_at=None).select_related("collab", "group")
    environments = group_limits.usable(user)
    default = selection.for_location(user, Location()) if user.is_active else None
    private = [folder for folder in Folder if folder != Folder.ALL]
    return UserAccessReport(
        groups=list(Group.objects.of_person(user).order_by("name")),
        collabs=list(routes.order_by("collab__title", role_rank().desc())) if user.is_active else [],
        libraries=entries(user, folders=private),
        public=Collab.objects.filter(is_public=True).count() if user.is_active else 0,
        server=Server.objects.live().filter(owner=user).select_related("environment").first(),
        lab=allowed(group_limits.applying(user, default)) if default else [],
        environments=list(environments.order_by("name")),
        sessions=Session.objects.filter(user=user).count(),
        tokens=list(Token.objects.usable().filter(user=user)),
        services=list(services_of(user)),
    )
