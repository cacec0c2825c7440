"""System check of the templates of one's own; docs/reference/checks.md explains each id."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from portal.ops.checks import check_message

from . import own_templates


@register()
def templates_are_usable(**_: Any) -> Sequence[CheckMessage]:
    """W003: a template of one's own is broken, or has the name of none."""
    return [check_message(Warning, f"{name}: {why}", "portal.W003") for name, why in own_templates.problems()]
