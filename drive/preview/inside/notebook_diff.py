"""Differences between two notebooks."""

import io
import json

from .notebook import read_notebook


def difference(content: bytes) -> str:
    """Differences between two notebooks, cell by cell: a JSON list of lines, each with its kind."""
    from nbdime.diffing.notebooks import diff_notebooks
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_notebook_diff

    length, _, both = content.partition(b"\n")
    older, newer = read_notebook(both[: int(length)]), read_notebook(both[int(length) :])
    out = io.StringIO()
    config = PrettyPrintConfig(out=out, use_color=False, use_git=False, use_diff=False)
    pretty_print_notebook_diff("older", "newer", older, diff_notebooks(older, newer), config)
    lines = out.getvalue().splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("## ")), len(lines))
    return json.dumps([[_kind(line), line] for line in lines[first:]])


def _kind(line: str) -> str:
    return {"#": "gap", "+": "added", "-": "removed"}.get(line[:1], "same")
