"""The page that a rendering is: its style, what the portal is told of it, and the error of wrong content."""

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STYLE = (HERE / "page.css").read_text()
SCRIPT = (HERE / "frame.js").read_text()
"""Tells the page around the frame how high it is and where headings are. The only script that the page's policy admits,
by its hash; it gets nothing but names of headings, and gives nothing but numbers and such names."""

CONNECTING = re.compile(r"<(/?)(link|meta|base)\b", re.IGNORECASE)
"""Elements that make a browser look up or call other sites, whatever the page's policy (`preconnect`)."""


class InvalidContentError(Exception):
    """The content is not what its name says; the text is for people."""


def document(body: str, about: dict[str, Any] | None = None) -> str:
    """A whole page; `about` is what the page around it is told: `headings` (level, id, words) and `interactive`."""
    told = html.escape(json.dumps(about or {}), quote=True)
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="about" content="{told}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Preview</title>'
    head += f'<base target="_blank"><style>{STYLE}</style><!--interactive--></head>'
    disconnected = CONNECTING.sub(r"<\1x-\2", body)
    return f"{head}<body>{disconnected}<script>{SCRIPT}</script></body></html>"


def notes(sentences: Sequence[str]) -> str:
    """Sentences for people above what is shown."""
    return "".join(f'<p class="remark">{html.escape(sentence)}</p>' for sentence in sentences)
