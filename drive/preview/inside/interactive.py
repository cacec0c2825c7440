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
_BOKEH = "application/vnd.bokehjs_exec.v0+json"


def _bokeh(script: object) -> dict[str, Any] | None:
    """Documents and the places of their roots, as JSON in the script that Bokeh writes for notebooks."""
    found = {}
    for name, word in (("documents", "docs_json"), ("items", "render_items")):
        match = re.search(rf"\b{word}\s*=\s*(?=[\[{{])", script) if isinstance(script, str) else None
        if not match:
            return None
        try:
            found[name], _ = json.JSONDecoder().raw_decode(script, match.end())  # type: ignore[arg-type]
        except (ValueError, RecursionError):
            return None
    items = found["items"]
    if not isinstance(found["documents"], dict) or not isinstance(items, list):
        return None
    for item in items:
        if not isinstance(item, dict):
            return None
        item.pop("notebook_comms_target", None)
    return found


@dataclass(frozen=True)
class Interactive:
    """What one output is drawn from."""

    kind: str
    """`plotly`, `vega` or `bokeh`; "" for an output that only loads a library."""
    name: str = ""
    data: Any = None

    def html(self, still: str) -> str:
        """The data, and what is shown until it is drawn."""
        data = json.dumps(self.data).replace("<", "\\u003c")
        if len(data) > MOST:
            return still
        script = f'<script type="application/json" class="data">{data}</script>'
        return f'<div class="interactive" data-kind="{self.kind}">{script}<div class="still">{still}</div></div>'


def of(data: dict[str, Any]) -> Interactive | None:
    """What an output would be drawn from; None if it needs no script."""
    if not _LOADING.isdisjoint(data):
        return Interactive("")
    if isinstance(figure := data.get("application/vnd.plotly.v1+json"), dict):
        return Interactive("plotly", "An interactive figure (Plotly)", figure)
    if _BOKEH in data or "application/vnd.holoviews_exec.v0+json" in data:
        said = _bokeh(data.get("application/javascript"))
        return Interactive("bokeh", "An interactive figure (Bokeh)", said) if said else None
    for media_type, value in data.items():
        if (match := _VEGA.fullmatch(media_type)) and isinstance(value, dict):
            return Interactive("vega", "An interactive chart (Vega)", {"lite": bool(match[1]), "spec": value})
    return None
