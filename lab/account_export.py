"""Labs in the export of personal data."""

from typing import Any

from portal.models import User

from .models import Server
from .models.environments import ChosenEnvironment
from .models.git_pulls import Pull

COLUMNS = (
    *("environment__slug", "state", "place", "requested_at", "started_at", "ended_at", "last_interaction"),
    *("stop_reason", "error", "log_tail", "notes", "rescued", "presence__path"),
)


def export(user: User) -> dict[str, Any]:
    """The person's Labs that have rows, their choice of an environment, and repositories that were fetched."""
    labs = Server.objects.filter(owner=user).order_by("requested_at").values(*COLUMNS)
    chosen = ChosenEnvironment.objects.filter(user=user).values_list("environment__slug", flat=True).first()
    pulls = Pull.objects.filter(user=user).values("repo", "branch", "library__name", "folder", "created_at", "state")
    return {"labs.json": {"labs": list(labs), "chosen environment": chosen or "", "repositories": list(pulls)}}
