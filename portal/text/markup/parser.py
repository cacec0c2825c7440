"""Markdown as scientists write it: CommonMark, GitHub's extensions, footnotes, definitions, front matter, formulas.

What a text is rendered with stands in markdown-it's `env`:

    formulas   the Formulas of the text
    kept       takes finished HTML that a cleaner must not look at, and gives what stands for it until then
    coloured   gives code in a language as HTML, or None
    anchor     gives a heading's id
    diagram    gives a diagram in Mermaid's words as HTML; without it, it is code
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_block, amsmath_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

MOST_FIELDS = 30
"""Lines of front matter that are shown."""
MOST_UNENDED = 50
"""Beginnings of formulas without end in a text, after which no more are looked for."""
_FIELD = re.compile(r"([\w .-]{1,60}):(?:\s+(.*))?")
_TAG = re.compile(r"(<[^>]*>)")
_FORMULA = re.compile(r"(?<![\\$])(\$\$?)(?=\S)([^$]{1,2000}?)(?<=\S)(?<!\\)\1(?![$\d])")
_VERBATIM = re.compile(r"<(?:pre|code|script|style|textarea|svg|kbd|samp)\b", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\\\\(?:\((.{1,4000}?)\\\\\)|\[(.{1,4000}?)\\\\\])", re.DOTALL)


def parser() -> MarkdownIt:
    """Parser and renderer; raw HTML goes through as it is."""
    markdown = MarkdownIt("commonmark", {"html": True, "tasklists": True, "alerts": True})
    markdown.enable(["table", "strikethrough"])
    markdown.use(gfm_autolink_plugin).use(footnote_plugin, inline=False).use(deflist_plugin).use(front_matter_plugin)
    markdown.use(dollarmath_plugin, allow_labels=False, allow_digits=False, allow_blank_lines=False, double_inline=True)
    markdown.use(amsmath_plugin)
    markdown.block.ruler.at(
        "amsmath", _amsmath, {"alt": ["paragraph", "reference", "blockquote", "list", "footnote_def"]}
    )
    markdown.inline.ruler.before("escape", "tex_brackets", _tex_brackets)
    markdown.core.ruler.push("heading_ids", _heading_ids)
    rules = {"math_inline": _in_line, "math_inline_double": _displayed, "math_block": _displayed, "amsmath": _displayed}
    for name, rule in (rules | {"front_matter": _front_matter, "fence": _fence, "html_block": _html_block}).items():
        markdown.add_render_rule(name, rule)
    return markdown


def anchor(words: str) -> str:
    """A heading's id, as GitHub makes it of the text; "" where it has neither letters nor digits."""
    plain = re.sub(r"[^\w\s-]", "", unicodedata.normalize("NFKC", words).lower())
    return re.sub(r"[-\s]+", "-", plain).strip("-_")[:80]


def headings(tokens: Sequence[Token]) -> list[tuple[int, str, str]]:
    """Level, id and words of each heading."""
    return [
        (int(opening.tag[1]), str(opening.attrs.get("id", "")), _words(inline))
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open"
    ]


def _words(inline: Token) -> str:
    kinds = {"text", "code_inline", "math_inline"}
    return "".join(child.content for child in inline.children or [] if child.type in kinds).strip()


def _heading_ids(state: StateCore) -> None:
    """Give every heading an id made of its text. (The plugin that does it needs quadratic time for equal headings.)"""
    seen: Counter[str] = state.env.setdefault("anchors", Counter())
    for opening, words in pairwise(state.tokens):
        if opening.type == "heading_open":
            name = state.env.get("anchor", anchor)(words.content) or "section"
            opening.attrSet("id", f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1


def _amsmath(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The plugin's rule, as long as it finds ends: for each beginning it looks through all of the text."""
    if not state.src.startswith("\\begin", state.bMarks[start] + state.tShift[start]):
        return False
    if state.env.get("unended", 0) >= MOST_UNENDED:
        return False
    if amsmath_block(state, start, end, silent):
        return True
    state.env["unended"] = state.env.get("unended", 0) + 1
    return False


def _tex_brackets(state: StateInline, silent: bool) -> bool:
    r"""`\\(…\\)` and `\\[…\\]`, which notebooks know beside dollars."""
    if not state.src.startswith(("\\\\(", "\\\\["), state.pos):
        return False
    match = _IN_BRACKETS.match(state.src, state.pos)
    if not match:
        return False
    if not silent:
        token = state.push("math_inline" if match[1] else "math_inline_double", "math", 0)
        token.content = match[1] or match[2]
    state.pos = match.end()
    return True


def _set(tex: str, env: Any, *, display: bool) -> str:
    made = env["formulas"].html(tex, display=display)
    return env["kept"](made) if "kept" in env else made


def _in_line(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return _set(tokens[index].content, env, display=False)


def _displayed(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return _set(tokens[index].content, env, display=True) + "\n" * tokens[index].block


def _front_matter(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """What stands above a text for programs, as a small table of the fields that take one line."""
    lines = tokens[index].content.split("\n")[:MOST_FIELDS]
    fields = [
        (match[1], match[2].strip().strip("\"'")) for line in lines if (match := _FIELD.fullmatch(line)) and match[2]
    ]
    rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in fields)
    return f"<table><tbody>{''.join(rows)}</tbody></table>\n" if fields else ""


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A block of code, in its language's colours where that is known, or a diagram."""
    token = tokens[index]
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    if language == "mermaid" and "diagram" in env:
        return f"{env['diagram'](token.content)}\n"
    coloured = env["coloured"](language, token.content) if language and "coloured" in env else None
    if coloured is None:
        return RendererHTML.fence(self, tokens, index, options, env)
    kept = env["kept"](coloured) if "kept" in env else coloured
    return f'<pre><code class="language-{html.escape(language)}">{kept}</code></pre>\n'


def _html_block(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Raw HTML, with the formulas between its tags set."""
    content = tokens[index].content
    if "$" not in content or _VERBATIM.search(content):
        return content

    def formula(match: re.Match[str]) -> str:
        return _set(html.unescape(match[2]), env, display=len(match[1]) == 2)

    parts = _TAG.split(content)
    return "".join(part if part.startswith("<") else _FORMULA.sub(formula, part) for part in parts)
