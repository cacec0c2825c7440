"""Outputs that a library of JavaScript draws: Plotly, Vega, Vega-Lite, Bokeh, and diagrams in Mermaid's words.

What they are drawn from is JSON, and goes into the page as such, where no script of theirs runs. Only the page that
may run the libraries (one click away) gets it; the other shows a picture, if there is one.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

MOST = 24 * 2**20
"""Characters of JSON of one output."""
PLOTLY = "application/vnd.plotly.v1+json"
_VEGA = re.compile(r"application/vnd\.vega(lite)?\.v(\d+)(?:\.\d+)*\+json")
_LOADING = {"application/vnd.bokehjs_load.v0+json", "application/vnd.holoviews_load.v0+json"}
_BOKEH = {"application/vnd.bokehjs_exec.v0+json", "application/vnd.holoviews_exec.v0+json"}
_LOGO = 'class="bk-notebook-logo"'
"""What Bokeh shows while it loads."""
_BOKEH_NAME = "An interactive figure (Bokeh)"
_DOCUMENTS = re.compile(r"\b(?:const|var|let) docs_json = (?={)")
"""Where the script that Bokeh writes into an output has its documents, as JSON."""


@dataclass(frozen=True)
class Interactive:
    """What one output is drawn from."""

    kind: str
    """`bokeh`, `mermaid`, `plotly` or `vega`; "" for what is not drawn here."""
    name: str = ""
    """What is shown where there is no picture; "" for an output that only loads a library."""
    data: str = ""
    """JSON that can stand in an element of a page."""

    def html(self, still: str) -> str:
        """The data, and what is shown until it is drawn."""
        if not self.kind:
            return still
        script = f'<script type="application/json" class="data">{self.data}</script>'
        return f'<div class="interactive" data-kind="{self.kind}">{script}<div class="still">{still}</div></div>'


def of(data: dict[str, Any]) -> Interactive | None:
    """What an output would be drawn from; None if it needs no script."""
    if not _LOADING.isdisjoint(data) or _LOGO in str(data.get("text/html", "")):
        return Interactive("")
    if isinstance(figure := data.get(PLOTLY), dict):
        return _drawn("plotly", "An interactive figure (Plotly)", figure)
    if not _BOKEH.isdisjoint(data):
        return _bokeh(data)
    for media_type, value in data.items():
        if (match := _VEGA.fullmatch(media_type)) and isinstance(value, dict):
            return _drawn("vega", "An interactive chart (Vega)", {"lite": bool(match[1]), "spec": value})
    return None


def diagram(words: str) -> Interactive:
    """A diagram in Mermaid's words."""
    return _drawn("mermaid", "A diagram (Mermaid)", {"words": words})


def _bokeh(data: dict[str, Any]) -> Interactive:
    """The documents in the script of an output, which is not run itself."""
    in_lab = Interactive("", f"{_BOKEH_NAME}. Open the notebook in the Lab for it.")
    scripts = (data.get(name) for name in ("application/javascript", "text/html"))
    found = next((match for text in scripts if isinstance(text, str) and (match := _DOCUMENTS.search(text))), None)
    if found is None:
        return in_lab
    try:
        documents, _ = json.JSONDecoder().raw_decode(found.string, found.end())
    except (ValueError, RecursionError):
        return in_lab
    if not documents or not all(map(_is_of_bokeh_3, documents.values())):
        return in_lab
    return _drawn("bokeh", _BOKEH_NAME, {"documents": list(documents.values())})


def _is_of_bokeh_3(document: object) -> bool:
    """Documents of Bokeh 2 had a dictionary of roots; they cannot be drawn by Bokeh 3."""
    return isinstance(document, dict) and isinstance(document.get("roots"), list) and bool(document["roots"])


def _drawn(kind: str, name: str, data: dict[str, Any]) -> Interactive:
    text = json.dumps(data).replace("<", "\\u003c")
    if len(text) > MOST:
        return Interactive("", f"{name}, too large to be drawn here")
    return Interactive(kind, name, text)
