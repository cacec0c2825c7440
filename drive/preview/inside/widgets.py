"""The last state of ipywidgets, as a notebook keeps it, without scripts: what they showed, not what moves them."""

import html
import re
from collections.abc import Callable
from typing import Any

from .contained import contained
from .pictures import address

VIEW = "application/vnd.jupyter.widget-view+json"
DEEPEST = 12
"""Widgets within widgets."""
MOST = 500
"""Widgets of one output."""
MOST_TEXT = 16_000_000
"""Characters of HTML of all widgets of a notebook: one may be shown in many places."""
_BOXES = {"HBoxModel": "row", "VBoxModel": "column", "BoxModel": "row", "GridBoxModel": "row"}
_FOLDERS = {"TabModel", "AccordionModel", "StackModel"}
_BUTTONS = {"ButtonModel", "FileUploadModel"}
_FORMATS = {"png", "jpeg", "gif", "webp"}
_PROGRESS = {"IntProgressModel", "FloatProgressModel"}
_BASE64 = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=]+")


class Widgets:
    """The widgets of a notebook by their models' ids; `outputs` shows what a widget took up of outputs."""

    def __init__(self, states: dict[str, Any], outputs: Callable[[list[Any]], str]) -> None:
        self._states = states
        self._outputs = outputs
        self._left = 0
        self._room = MOST_TEXT
        self._depth = 0

    def html_of(self, view: object) -> str:
        """The widget of an output as HTML; "" where its state was not saved, or it is of a kind that needs scripts."""
        if not self._depth:
            self._left = MOST
        return self._widget(_model_of(view))

    def figure_of(self, view: object) -> dict[str, Any] | None:
        """What Plotly draws a widget of its own from, where the notebook has all of it."""
        found = self._states.get(_model_of(view))
        state = found.get("state") if isinstance(found, dict) and not found.get("buffers") else None
        if isinstance(state, dict) and isinstance(state.get("_data"), list) and isinstance(state.get("_layout"), dict):
            return {"data": state["_data"], "layout": state["_layout"]}
        return None

    def name_of(self, view: object) -> str:
        """A sentence in place of a widget that cannot be shown."""
        found = self._states.get(_model_of(view))
        if not isinstance(found, dict):
            return "A widget whose state was not saved with the notebook. Run the notebook in the Lab for it."
        state = found.get("state")
        module = (state.get("_anywidget_id") if isinstance(state, dict) else "") or found.get("model_module")
        return f"A widget ({module if isinstance(module, str) else 'unknown'}). Open the notebook in the Lab for it."

    def _widget(self, model: str) -> str:
        found = self._states.get(model)
        self._left -= 1
        if not isinstance(found, dict) or self._depth > DEEPEST or min(self._left, self._room) < 0:
            return ""
        self._depth += 1
        try:
            shown = self._shown(found)
            self._room -= len(shown)
            return shown
        finally:
            self._depth -= 1

    def _shown(self, found: dict[str, Any]) -> str:
        state = found.get("state")
        state = state if isinstance(state, dict) else {}
        kind = str(found.get("model_name", ""))
        if kind in _BOXES or kind in _FOLDERS:
            return self._box(kind, state)
        if kind == "OutputModel":
            outputs = state.get("outputs")
            return self._outputs(outputs) if isinstance(outputs, list) else ""
        shown = _picture(kind, state, found.get("buffers")) or _simple(kind, state)
        if not shown:
            return ""
        label = _text(state, "description")
        return (
            f'<span class="widget">{f"<span>{label}</span> " if label and kind not in _BUTTONS else ""}{shown}</span>'
        )

    def _box(self, kind: str, state: dict[str, Any]) -> str:
        children = state.get("children")
        names = [str(child).removeprefix("IPY_MODEL_") for child in children] if isinstance(children, list) else []
        parts = [self._widget(name) for name in names]
        if kind in _FOLDERS:
            titles = state.get("titles")
            words = titles if isinstance(titles, list) else []
            named = [
                html.escape(str(words[place])) if place < len(words) else str(place + 1) for place in range(len(parts))
            ]
            return "".join(
                f"<details{' open' * (not place)}><summary>{name}</summary>{part}</details>"
                for place, (name, part) in enumerate(zip(named, parts, strict=True))
            )
        return f'<div class="widgets {_BOXES[kind]}">{"".join(parts)}</div>' if any(parts) else ""


def _model_of(view: object) -> str:
    model = view.get("model_id") if isinstance(view, dict) else None
    return model if isinstance(model, str) else ""


def _picture(kind: str, state: dict[str, Any], buffers: object) -> str:
    """A widget that is a picture: ipywidgets' own, or a figure of ipympl."""
    if kind == "MPLCanvasModel" and _BASE64.fullmatch(found := str(state.get("_data_url"))):
        return f'<img src="{found}" alt="{_text(state, "_figure_label") or "Figure"}">'
    if kind != "ImageModel" or not isinstance(buffers, list):
        return ""
    values = (one.get("data") for one in buffers if isinstance(one, dict) and one.get("path") == ["value"])
    named = str(state.get("format"))
    uri = address(f"image/{named}", next(values, None)) if named in _FORMATS else None
    width = _text(state, "width")
    given = f' width="{width}"' if width.isdecimal() else ""
    return f'<img src="{uri}" alt=""{given}>' if uri else ""


def _text(state: dict[str, Any], key: str) -> str:
    value = state.get(key)
    return html.escape(str(value), quote=True) if isinstance(value, str | int | float) else ""


def _simple(kind: str, state: dict[str, Any]) -> str:
    """A widget that shows a value."""
    if kind in ("HTMLModel", "HTMLMathModel"):
        return contained(str(state.get("value", "")))
    if kind in _PROGRESS:
        return f'<progress max="{_text(state, "max") or 100}" value="{_text(state, "value") or 0}"></progress>'
    if kind in _BUTTONS:
        return f"<button disabled>{_text(state, 'description')}</button>"
    if kind in ("CheckboxModel", "ToggleButtonModel", "ValidModel"):
        return f'<input type="checkbox" disabled{" checked" * (state.get("value") is True)}>'
    if isinstance(labels := state.get("_options_labels"), list):
        index = state.get("index")
        chosen = [index] if isinstance(index, int) else index if isinstance(index, list | tuple) else []
        words = [str(labels[place]) for place in chosen if isinstance(place, int) and 0 <= place < len(labels)]
        return f"<output>{html.escape(', '.join(words))}</output>"
    value = state.get("value")
    if isinstance(value, list) and len(value) <= 20:
        return f"<output>{html.escape(' – '.join(map(str, value)))}</output>"
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"<output>{html.escape(str(value))}</output>"
    return ""
