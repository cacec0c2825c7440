"""Change that a rule may forbid, with its error as a message on the page."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest


def apply_or_message(request: HttpRequest, change: Callable[[], object]) -> bool:
    """Apply a change; a ValidationError becomes a message. True if it was applied."""
    try:
        change()
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return False
    return True
