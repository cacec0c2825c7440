"""System checks of rooms; docs/reference/checks.md explains each id."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from portal.ops.checks import check_message


@register()
def journals(**_: Any) -> list[CheckMessage]:
    """E001: nothing that is typed could be kept."""
    place = Path(settings.ROOMS_ROOT)
    if not settings.COEDITING or not place.exists() or os.access(place, os.W_OK | os.X_OK):
        return []
    return [check_message(Error, f"Nothing can be written in ROOMS_ROOT ({place}).", "rooms.E001")]


@register()
def hub(**_: Any) -> list[CheckMessage]:
    """W001: Labs are where no rooms are."""
    if not settings.COEDITING or settings.LAB_LAUNCHER != "jupyterhub":
        return []
    message = "COEDITING is on, and Labs run on a JupyterHub, whose origin does not lead to rooms."
    return [check_message(Warning, message, "rooms.W001")]
