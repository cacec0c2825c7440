"""Outputs that a library of JavaScript draws: Plotly, Vega, Bokeh, widgets.

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
_WIDGET = "application/vnd.jupyter.widget-view+json"
_BOKEH = "application/vnd.bokehjs_exec.v0+json"


@dataclass(frozen=True)
class Interactive:
    """What one output is drawn from."""

    kind: str
    """`plotly`, `vega`, `bokeh` or `widgets`; "" for an output that only loads a library."""
    name: str = ""
    data: Any = None
    place: str = ""
    """HTML to draw in, where the library brings its own."""

    def html(self, still: str) -> str:
        """The data, and what is shown until it is drawn."""
        data = json.dumps(self.data).replace("<", "\\u003c")
        if len(data) > MOST:
            return still
        script = f'<script type="application/json" class="data">{data}</script>'
        return f'<div class="interactive" data-kind="{self.kind}">{script}<div class="still">{still}</div></div>'


def of(data: dict[str, Any], widgets: dict[str, Any]) -> Interactive | None:
    """What an output would be drawn from; None if it needs no script."""
    if not _LOADING.isdisjoint(data):
        return Interactive("")
    if isinstance(figure := data.get("application/vnd.plotly.v1+json"), dict):
        return Interactive("plotly", "An interactive figure (Plotly)", figure)
    for media_type, value in data.items():
        if (match := _VEGA.fullmatch(media_type)) and isinstance(value, dict):
            return Interactive("vega", "An interactive chart (Vega)", {"lite": bool(match[1]), "spec": value})
    return None
