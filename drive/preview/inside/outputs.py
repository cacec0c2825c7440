"""Outputs of a cell of code, each as the richest thing that can be shown of it."""

import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from portal.text.markup.formulas import Formulas

from . import interactive, terminal
from .contained import contained
from .notebook_repair import Output, read_outputs
from .pictures import address
from .widgets import VIEW, Widgets

SHOWN_LINES = 25
LONG_LINES = 40
"""An output of more lines is folded after the first ones."""
MOST_TEXT = 1_000_000
"""Characters of a text that are shown: its first and last ones."""
MOST_HTML = 8_000_000
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp")
_TEX = re.compile(r"\s*(?:\$\$(.*)\$\$|\$(.*)\$|\\\[(.*)\\\]|(.*))\s*", re.DOTALL)
_SIZE = re.compile(r"\d{1,5}(?:\.\d+)?")


class Outputs:
    """Outputs as HTML; `interactive` are the libraries that those need which scripts would draw."""

    def __init__(self, markdown: Callable[[str], str], formulas: Formulas, states: dict[str, Any]) -> None:
        self.interactive: set[str] = set()
        self._markdown = markdown
        self._formulas = formulas
        self._widgets = Widgets(states, lambda found: self.html(read_outputs(found)))

    def html(self, outputs: Sequence[Output]) -> str:
        """All outputs of a cell."""
        return "".join(self._one(output) for output in _joined(outputs))

    def _one(self, output: Output) -> str:
        if output.kind == "stream":
            name = " stderr" if output.name == "stderr" else ""
            return f'<div class="output{name}">{text(output.text)}</div>'
        if output.kind == "error":
            return f'<div class="output error">{text(output.text)}</div>'
        figure = self._widgets.figure_of(output.data.get(VIEW))
        found = interactive.of({interactive.PLOTLY: figure} if figure else output.data)
        if found is None:
            shown = self._still(output, otherwise="")
            return f'<div class="output">{shown}</div>' if shown else ""
        if not found.name:
            return ""
        picture = self._picture(output) or self._still(output, otherwise=found.name)
        self.interactive |= {found.kind} - {""}
        return f'<div class="output">{found.html(picture)}</div>'

    def _still(self, output: Output, *, otherwise: str) -> str:
        """What can be shown without scripts."""
        data = output.data
        view = data.get(VIEW)
        if state := self._widgets.html_of(view):
            return state
        if otherwise:  # their HTML is a place for a script to draw in
            data = {key: value for key, value in data.items() if key != "text/html"}
        if found := data.get("text/html"):
            return self._html(found)
        if found := data.get("text/markdown"):
            return f'<div class="text">{self._markdown(found)}</div>'
        if found := data.get("text/latex"):
            return self._latex(found)
        if picture := self._picture(output):
            return picture
        if otherwise:
            return f'<p class="still">{html.escape(otherwise)}</p>'
        if view is not None:
            return f'<p class="still">{html.escape(self._widgets.name_of(view))}</p>'
        if "text/plain" in data and isinstance(data["text/plain"], str):
            return text(data["text/plain"])
        for media_type, value in data.items():
            if media_type.endswith("json"):
                return text(json.dumps(value, indent=1, ensure_ascii=False))
        named = ", ".join(sorted(data)) or "nothing"
        return f'<p class="still">An output that is shown in the Lab only ({html.escape(named)}).</p>' if data else ""

    def _html(self, found: str) -> str:
        if len(found) > MOST_HTML:
            return '<p class="still">An output in HTML that is too large to show here.</p>'
        return (
            contained(found) or '<p class="still">An output that a script would draw. Open the notebook in the Lab.</p>'
        )

    def _latex(self, found: str) -> str:
        if "$" in found.strip().strip("$"):
            return self._markdown(found)
        match = _TEX.fullmatch(found)
        tex = next((part for part in match.groups() if part is not None), found) if match else found
        return self._formulas.html(tex, display=True)

    def _picture(self, output: Output) -> str:
        for media_type in _PICTURES:
            uri = address(media_type, output.data.get(media_type))
            if uri:
                size = output.metadata.get(media_type)
                given = _size(size if isinstance(size, dict) else {})
                words = output.data.get("text/plain")
                alternative = html.escape(words[:200] if isinstance(words, str) else "", quote=True)
                return f'<img src="{uri}" alt="{alternative}"{given}>'
        return ""


def _size(metadata: dict[str, Any]) -> str:
    found = ((name, str(metadata.get(name, ""))) for name in ("width", "height"))
    return "".join(f' {name}="{value}"' for name, value in found if _SIZE.fullmatch(value))


def _joined(outputs: Sequence[Output]) -> Iterator[Output]:
    """Parts of one stream as one: kernels send them as they come."""
    parts: list[str] = []
    name = ""
    for output in outputs:
        if output.kind == "stream" and (not parts or output.name == name):
            parts.append(output.text)
            name = output.name
            continue
        if parts:
            yield Output("stream", name=name, text="".join(parts))
            parts = []
        if output.kind == "stream":
            parts, name = [output.text], output.name
        else:
            yield output
    if parts:
        yield Output("stream", name=name, text="".join(parts))


def text(said: str) -> str:
    """Text of a terminal, folded where it is long."""
    if len(said) > MOST_TEXT:
        half = MOST_TEXT // 2
        said = f"{said[:half]}\n… {len(said) - MOST_TEXT} characters are not shown …\n{said[-half:]}"
    said = said.rstrip("\n")
    lines = said.split("\n")
    if len(lines) <= LONG_LINES:
        return f"<pre>{terminal.as_html(said)[0]}</pre>"
    head, rest = terminal.as_html("\n".join(lines[:SHOWN_LINES]), "\n".join(lines[SHOWN_LINES:]))
    more = len(lines) - SHOWN_LINES
    return f"<pre>{head}</pre><details><summary>{more} more lines</summary><pre>{rest}</pre></details>"
