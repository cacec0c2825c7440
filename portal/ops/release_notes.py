"""What CHANGELOG.md says of the versions since the one that last brought the database up to date, for the terminal."""

import re
from collections.abc import Iterator
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
KINDS = ("Security", "Removed", "Changed", "Deprecated", "Added", "Fixed")
"""What an operator must know comes first."""
MOST = 15
WIDTH = 160
"""Entries, and characters of each, that are shown."""
_SECTION, _KIND = re.compile(r"^## (.+)$", re.M), re.compile(r"^### (.+)$", re.M)


def since(version: str, changelog: Path = CHANGELOG) -> list[str]:
    """Lines to print; none where nothing is new, or there is no changelog. "": of all versions."""
    try:
        text = changelog.read_text()
    except OSError:
        return []
    _, *parts = _SECTION.split(text)
    lines: list[str] = []
    left = 0
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        if heading.partition(" ")[0] == version:
            break
        entries = list(_entries(body))
        fitting = entries[: max(0, MOST - len(lines))]
        lines += [f"{heading}:", *(f"  {kind}: {entry}" for kind, entry in fitting)] if fitting else []
        left += len(entries) - len(fitting)
    return [*lines, f"  and {left} more, in {changelog.name}"] if left else lines


def _entries(body: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each entry, those for operators first."""
    _, *parts = _KIND.split(body)
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    for kind in sorted(found, key=lambda kind: KINDS.index(kind) if kind in KINDS else len(KINDS)):
        for entry in re.split(r"^- ", found[kind], flags=re.M)[1:]:
            yield kind, _short(entry)


def _short(entry: str) -> str:
    """An entry without links and marks, cut at a word."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(entry.split())).replace("**", "").replace("`", "")
    if len(plain) <= WIDTH:
        return plain
    return plain[:WIDTH].rpartition(" ")[0] + " …"
