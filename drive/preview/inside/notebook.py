"""A notebook with its outputs as one HTML document, whose scripts, if it brings any, are left out."""

import functools
import html
import re
import secrets
from collections import Counter
from typing import Any

from portal.text.markup import parser
from portal.text.markup.colour import coloured
from portal.text.markup.formulas import Formulas

from . import interactive
from .contained import contained
from .notebook_repair import Cell, Notebook, read_notebook
from .outputs import Outputs
from .page import document, notes
from .pictures import address

MOST_COLOURED = 100_000
LONGEST_LINE = 5000
"""Characters of code that is shown in colours: lexers are regular expressions, and some texts keep these busy."""
FORMULA_SECONDS = 10.0
"""Processor time for the formulas of a notebook."""
_LEXERS = {"": "python", "ipython": "python", "python3": "python", "c++17": "c++", "javascript": "javascript"}
_PICTURE = re.compile(r"image/(png|jpeg|gif|webp|avif|bmp|svg\+xml)")


def notebook(content: bytes) -> str:
    """A notebook as a page, and its headings for the page around it."""
    read = read_notebook(content)
    page = Page(read)
    body = "".join(page.cell(cell) for cell in read.cells)
    if not read.cells:
        body = '<p class="still">This notebook has no cells.</p>'
    said = list(read.notes)
    if read.repaired:
        wrong = "; ".join(read.repaired)
        said.append(f"The notebook was repaired to be shown; the file is as it was. Missing or wrong: {wrong}.")
    about = {"headings": page.headings, "interactive": sorted(page.outputs.interactive)}
    return document(notes(said) + body, about)


class Page:
    """What the cells of one notebook share: macros of formulas, names of anchors."""

    def __init__(self, read: Notebook) -> None:
        self.headings: list[tuple[int, str, str]] = []
        self._language = _LEXERS.get(read.language, read.language)
        self._env: dict[str, Any] = {
            "formulas": Formulas(FORMULA_SECONDS),
            "coloured": _coloured,
            "anchor": lambda words: words.strip().replace(" ", "-"),  # as in JupyterLab
            "anchors": Counter(),
            "diagram": self._diagram,
        }
        self._diagrams: list[str] = []
        self._diagram_mark = secrets.token_hex(8)
        self.outputs = Outputs(self.markdown, self._env["formulas"], read.widgets)

    def cell(self, cell: Cell) -> str:
        """One cell with its outputs."""
        if cell.kind == "markdown":
            return f'<section class="cell"><div class="text">{self._text(cell)}</div></section>\n'
        code = _coloured(self._language, cell.source) if cell.kind == "code" else None
        shown = f'<pre class="input"><code>{code or html.escape(cell.source, quote=False)}</code></pre>'
        if _is_hidden(cell, "source_hidden"):
            shown = f"<details><summary>Code</summary>{shown}</details>"
        if cell.kind == "raw":
            return f'<section class="cell">{shown}</section>\n'
        count = f'<div class="count">[{cell.count}]</div>' if cell.count is not None else ""
        outputs = self.outputs.html(cell.outputs)
        if outputs and (_is_hidden(cell, "outputs_hidden") or cell.metadata.get("collapsed") is True):
            outputs = f"<details><summary>Output</summary>{outputs}</details>"
        return f'<section class="cell">{count}{shown}{outputs}</section>\n'

    def _text(self, cell: Cell) -> str:
        return self.markdown(cell.source, cell.attachments, headings=True)

    def markdown(
        self, text: str, attachments: dict[str, dict[str, Any]] | None = None, *, headings: bool = False
    ) -> str:
        """Markdown as contained HTML."""
        markdown = _markdown()
        env = self._env | {"references": {}, "footnotes": {}}
        tokens = markdown.parse(text, env)
        if headings:
            self.headings += parser.headings(tokens)
        made = markdown.renderer.render(tokens, markdown.options, env)
        shown = contained(made, functools.partial(_attachment, attachments or {}))
        mark = re.compile(f'<div class="{self._diagram_mark}-([0-9]+)"></div>')
        return mark.sub(lambda match: self._diagrams[int(match[1])], shown)

    def _diagram(self, words: str) -> str:
        """An element, in whose place comes what draws the diagram: elements with data are not for HTML of notebooks."""
        found = interactive.diagram(words)
        self._diagrams.append(found.html(f"<pre><code>{html.escape(words, quote=False)}</code></pre>"))
        self.outputs.interactive |= {found.kind} - {""}
        return f'<div class="{self._diagram_mark}-{len(self._diagrams) - 1}"></div>'


@functools.cache
def _markdown() -> Any:
    markdown = parser.parser()
    markdown.disable("front_matter")
    markdown.validateLink = _is_harmless  # type: ignore[method-assign]
    markdown.add_render_rule("heading_close", _with_anchor)
    return markdown


def _is_harmless(url: str) -> bool:
    """Pictures in the text itself, of whatever type, are shown, too."""
    return not re.match(r"\s*(?:javascript|vbscript|file):", url, re.IGNORECASE)


def _with_anchor(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    opening = next(token for token in reversed(tokens[:index]) if token.type == "heading_open")
    name = html.escape(str(opening.attrs.get("id", "")))
    return f'<a class="anchor" href="#{name}" aria-label="Link to this section">¶</a></{tokens[index].tag}>\n'


def _coloured(language: str, text: str) -> str | None:
    if len(text) > MOST_COLOURED or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return None
    return coloured(language, text)


def _is_hidden(cell: Cell, key: str) -> bool:
    jupyter = cell.metadata.get("jupyter")
    return isinstance(jupyter, dict) and jupyter.get(key) is True


def _attachment(attachments: dict[str, dict[str, Any]], name: str) -> str | None:
    """A data URI for a picture that a cell of text brings along."""
    for media_type, data in attachments.get(name, {}).items():
        if _PICTURE.fullmatch(media_type):
            return address(media_type, data)
    return None
