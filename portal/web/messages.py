"""Trying a change that a rule may forbid."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest


def apply_or_message(request: HttpRequest, change: Callable[[], object]) -> bool:
    """Make the change; a rule that forbids it becomes a message. Whether it was made."""
    try:
        change()
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return False
    return True
