"""The last state of ipywidgets, as a notebook keeps it, without scripts: what they showed, not what moves them."""

import html
from typing import Any

from .contained import contained

VIEW = "application/vnd.jupyter.widget-view+json"
DEEPEST = 12
"""Widgets within widgets."""
MOST = 500
"""Widgets of one output."""
_BOXES = {"HBoxModel": "row", "VBoxModel": "column", "BoxModel": "row", "GridBoxModel": "row"}
_FOLDERS = {"TabModel", "AccordionModel", "StackModel"}
_BUTTONS = {"ButtonModel", "FileUploadModel"}
_PROGRESS = {"IntProgressModel", "FloatProgressModel"}


def html_of(view: object, states: dict[str, Any]) -> str:
    """The widget of an output as HTML; "" where its state was not saved, or it is of a kind that needs scripts."""
    model = view.get("model_id") if isinstance(view, dict) else None
    return _Tree(states).widget(model) if isinstance(model, str) else ""


class _Tree:
    def __init__(self, states: dict[str, Any]) -> None:
        self._states = states
        self._left = MOST

    def widget(self, model: object, depth: int = 0) -> str:
        """One widget with those in it."""
        found = self._states.get(model) if isinstance(model, str) else None
        self._left -= 1
        if not isinstance(found, dict) or depth > DEEPEST or self._left < 0:
            return ""
        state = found.get("state")
        state = state if isinstance(state, dict) else {}
        kind = str(found.get("model_name", ""))
        if kind in _BOXES or kind in _FOLDERS:
            return self._box(kind, state, depth)
        shown = _simple(kind, state)
        if not shown:
            return ""
        label = _text(state, "description")
        return (
            f'<span class="widget">{f"<span>{label}</span> " if label and kind not in _BUTTONS else ""}{shown}</span>'
        )

    def _box(self, kind: str, state: dict[str, Any], depth: int) -> str:
        children = state.get("children")
        names = [str(child).removeprefix("IPY_MODEL_") for child in children] if isinstance(children, list) else []
        parts = [self.widget(name, depth + 1) for name in names]
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
