"""The Lab's models, one module for each kind of row."""

from .builds import LIVE_BUILDS, Build, BuildState
from .environments import ChosenEnvironment, CollabEnvironment, Environment, EnvironmentKind, EnvironmentQuerySet
from .git_pulls import Pull, PullState
from .group_limits import GroupLimits
from .kept_packages import PackageAnswer, PackageList
from .leases import Lease
from .maintenance import Pause, PauseQuerySet
from .passes import Pass, Ticket
from .presence import Presence
from .servers import FAILURES, LIVE, WITH_SANDBOX, Phase, Server, ServerQuerySet, State, StopReason, new_token

__all__ = [
    "FAILURES",
    "LIVE",
    "LIVE_BUILDS",
    "WITH_SANDBOX",
    "Build",
    "BuildState",
    "ChosenEnvironment",
    "CollabEnvironment",
    "Environment",
    "EnvironmentKind",
    "EnvironmentQuerySet",
    "GroupLimits",
    "Lease",
    "PackageAnswer",
    "PackageList",
    "Pass",
    "Pause",
    "PauseQuerySet",
    "Phase",
    "Presence",
    "Pull",
    "PullState",
    "Server",
    "ServerQuerySet",
    "State",
    "StopReason",
    "Ticket",
    "new_token",
]
