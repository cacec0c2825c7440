"""Activity of a Jupyter server: the facts from which `idle_culling` decides whether it is idle."""

from dataclasses import dataclass
from datetime import datetime, timedelta

AHEAD = timedelta(minutes=1)
"""A moment so far ahead of the clock that measured it was noted before that clock was set back."""


def is_ahead(moment: datetime, now: datetime) -> bool:
    """True for a time that cannot be: whoever noted it notes a new one with the next use."""
    return moment - now > AHEAD


@dataclass(frozen=True)
class Activity:
    """Last use, kernels and terminals as the server itself reports them, at `now` by its own clock; None: never."""

    now: datetime | None = None
    last_input: datetime | None = None
    last_save: datetime | None = None
    last_kernel_message: datetime | None = None
    last_terminal_output: datetime | None = None
    busy_kernels: int = 0
    kernels: int = 0
    terminals: int = 0
    running_commands: int = 0
    """Terminals in which a command is in the foreground."""
