"""Commands that run in terminals: the foreground process group, as long as it is no shell that waits (termios(3)).

Standard library only.
"""

import os
from pathlib import Path
from typing import Any

SHELLS = {"bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh"}
"""Of which one that was given nothing to run waits for a person."""


def running_command(terminal: Any) -> str:
    """Name of the command in the foreground of a terminal (terminado.PtyWithClients); "" while its shell waits."""
    try:
        group = os.tcgetpgrp(terminal.ptyproc.fd)
        return next((name for pid in _members(group) if (name := _command(pid))), "")
    except (OSError, AttributeError, ValueError):  # it has just ended, or is made otherwise than ours
        return ""


def _members(group: int) -> "list[int]":
    """Processes of a group (proc(5), stat: the fifth field)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            found.append(int(process.name))
    return found


def _command(pid: int) -> str:
    """Its name; "" for a shell that waits, and for what has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return ""
    name = Path(words[0].lstrip("-")).name if words else ""
    is_interactive = all(word.startswith("-") and word != "-c" for word in words[1:])
    return "" if name in SHELLS and is_interactive else name
