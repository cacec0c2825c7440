"""Outputs that a library of JavaScript draws: Plotly, Vega, Vega-Lite, Bokeh.

What they are drawn from is JSON, and goes into the page as such, where no script of theirs runs. Only the page that
may run the libraries (one click away) gets it; the other shows a picture, if there is one.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

MOST = 24 * 2**20
"""Characters of JSON of one output."""
_VEGA = re.compile(r"application/vnd\.vega(lite)?\.v(\d+)(?:\.\d+)*\+json")
_LOADING = {"application/vnd.bokehjs_load.v0+json", "application/vnd.holoviews_load.v0+json"}
_BOKEH = {"application/vnd.bokehjs_exec.v0+json", "application/vnd.holoviews_exec.v0+json"}


@dataclass(frozen=True)
class Interactive:
    """What one output is drawn from."""

    kind: str
    """`plotly` or `vega`; "" for what is not drawn here."""
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
    if not _LOADING.isdisjoint(data):
        return Interactive("")
    if isinstance(figure := data.get("application/vnd.plotly.v1+json"), dict):
        return _drawn("plotly", "An interactive figure (Plotly)", figure)
    if not _BOKEH.isdisjoint(data):
        return Interactive("", "An interactive figure (Bokeh). Open the notebook in the Lab for it.")
    for media_type, value in data.items():
        if (match := _VEGA.fullmatch(media_type)) and isinstance(value, dict):
            return _drawn("vega", "An interactive chart (Vega)", {"lite": bool(match[1]), "spec": value})
    return None


def _drawn(kind: str, name: str, data: dict[str, Any]) -> Interactive:
    text = json.dumps(data).replace("<", "\\u003c")
    if len(text) > MOST:
        return Interactive("", f"{name}, too large to be drawn here")
    return Interactive(kind, name, text)
