"""Code in colours, as far as that takes no time."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe
from pygments.lexers import find_lexer_class_by_name, find_lexer_class_for_filename
from pygments.util import ClassNotFound

COLOUR = Path(__file__).parent / "markup/colour.py"
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


def is_lexer(name: str) -> bool:
    """True if Pygments knows a language by this name."""
    try:
        find_lexer_class_by_name(name)
    except ClassNotFound:
        return False
    return name not in ("text", "mermaid")


def coloured(lexer: str, text: str) -> SafeString | None:
    """The code as HTML; None where that takes too long."""
    return coloured_all([(lexer, text)])[0]


def coloured_all(blocks: list[tuple[str, str]]) -> list[SafeString | None]:
    """Blocks of code, each with its lexer's name, as HTML; None for an unknown lexer, and for all if it takes too long.

    In a process of its own: lexers are regular expressions, some texts keep them busy for years, and while Python looks
    for a match no other thread of the process runs.
    """
    nothing: list[SafeString | None] = [None] * len(blocks)
    if not blocks or max(len(line) for _, text in blocks for line in text.split("\n")) > LONGEST_LINE:
        return nothing
    if not _slots.acquire(timeout=SECONDS):
        return nothing
    try:
        return _run(blocks) or nothing
    finally:
        _slots.release()


def _run(blocks: list[tuple[str, str]]) -> list[SafeString | None] | None:
    limits = ["prlimit", f"--cpu={SECONDS}", f"--as={MEMORY}", "--core=0"]
    command = [*limits, sys.executable, "-I", str(COLOUR)]
    asked = json.dumps(blocks).encode()
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=SECONDS, check=True, cwd="/")
    except (OSError, subprocess.SubprocessError):
        return None
    return [html and mark_safe(html) for html in json.loads(done.stdout)]  # noqa: S308 - Pygments has escaped the text
