"""Code in colours, as far as that takes no time."""

import subprocess
import sys
import threading
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe
from pygments.lexers import find_lexer_class_for_filename
from pygments.util import ClassNotFound

COLOUR = Path(__file__).parent / "inside/colour.py"
SECONDS = 3
MEMORY = 512 * 2**20
LONGEST_LINE = 5000
_slots = threading.BoundedSemaphore(2)
"""Per process of the portal: somebody who opens many files at once takes neither all memory nor all threads."""


def lexer_of(name: str) -> str:
    """Pygments' name for the language of a file, by the file's name; "" for none."""
    try:
        lexer = find_lexer_class_for_filename(name)
    except ClassNotFound:
        return ""
    return lexer.aliases[0] if lexer and lexer.aliases and lexer.name != "Text only" else ""


def coloured(lexer: str, text: str) -> SafeString | None:
    """The code as HTML; None where that takes too long.

    In a process of its own: lexers are regular expressions, some texts keep them busy for years, and while Python looks
    for a match no other thread of the process runs.
    """
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        return None
    if not _slots.acquire(timeout=SECONDS):
        return None
    try:
        return _run(lexer, text)
    finally:
        _slots.release()


def _run(lexer: str, text: str) -> SafeString | None:
    limits = ["prlimit", f"--cpu={SECONDS}", f"--as={MEMORY}", "--core=0"]
    command = [*limits, sys.executable, "-I", str(COLOUR), lexer]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=SECONDS, check=True, cwd="/")
    except (OSError, subprocess.SubprocessError):
        return None
    return mark_safe(done.stdout.decode())  # noqa: S308 - Pygments has escaped the text
