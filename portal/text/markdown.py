"""Render Markdown of people (README, description) as HTML that is safe on the portal's own origin.

markdown-it renders, nh3 lets through only what is listed.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from posixpath import normpath
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.tasklists import tasklists_plugin

MAX_LENGTH = 256 * 1024
"""Characters of a text that are rendered; the rest is cut off."""

KEPT_LENGTH = 32 * 1024
"""Maximum characters of a text whose rendering is cached in memory."""

ID_PREFIX = "text-"
"""Prefix of ids in a text, against clashes with those of the page around it (DOM clobbering)."""

ENDINGS = (".md", ".markdown", ".mdown")
"""File name extensions of Markdown."""

TAGS = set(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i "
    "img input ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr u "
    "ul var".split()
)
DROPPED_WITH_CONTENT = {"script", "style", "template", "title", "textarea", "iframe", "noscript"}
ATTRIBUTES = {
    "*": {"id", "lang", "title"},
    "a": {"href"},
    "code": {"class"},
    "details": {"open"},
    "input": {"checked"},
    "img": {"src", "alt", "width", "height"},
    "li": {"class"},
    "ol": {"start"},
    "td": {"class", "colspan", "rowspan"},
    "th": {"class", "colspan", "rowspan", "scope"},
    "ul": {"class"},
}
_HEADING = re.compile(r"<(/?)h([1-5])(?=[ >])")
"""Headings, which are moved one level down: the page around the text has the only h1."""
CLASSES = re.compile(r"language-[\w+#-]{1,32}|align-(?:left|center|right)|contains-task-list|task-list-item")


def render(text: str, *, base: str = "", folder: str = "", pages: str = "") -> SafeString:
    """Render a Markdown text as HTML (CommonMark, tables, strikethrough, task lists, bare links, harmless raw HTML).

    Relative links and pictures are those of `folder`, which is below `base`, a path of ours that ends with a slash; one
    that climbs out of `base` is dropped. Links lead to pages of files, those to Markdown below `pages` where given;
    pictures are their bytes (`?show=raw`). Pictures of other sites become links: a text must not tell other sites who
    reads it, and the page's Content Security Policy refuses them anyway.
    """
    return (_kept if len(text) <= KEPT_LENGTH else _render)(text[:MAX_LENGTH], base, folder, pages)


def _render(text: str, base: str, folder: str, pages: str) -> SafeString:
    html = nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute_filter(base, folder, pages or base),
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": "", "aria-label": "Task"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        id_prefix=ID_PREFIX,
    )
    return mark_safe(_HEADING.sub(lambda tag: f"<{tag[1]}h{int(tag[2]) + 1}", html))  # noqa: S308


_kept = lru_cache(64)(_render)
"""Cached rendering, once per process, for texts that are shown often such as the README of a Collab."""


def _attribute_filter(base: str, folder: str, pages: str) -> Callable[[str, str, str], str | None]:
    def check(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return f"#{ID_PREFIX}{value[1:]}" if value.startswith("#") else _below(base, folder, value, pages)
        if attribute == "src":
            return None if _is_elsewhere(value) else _bytes_of(_below(base, folder, value))
        if attribute == "class":
            return " ".join(name for name in value.split() if CLASSES.fullmatch(name)) or None
        return value

    return check


def _is_elsewhere(url: str) -> bool:
    """True if the address has a scheme or a host, or is malformed. Browsers treat a backslash as a slash."""
    try:
        parts = urlsplit(url.replace("\\", "/"))
    except ValueError:
        return True
    return bool(parts.scheme or parts.netloc) or parts.path.startswith("//")


def _bytes_of(url: str | None) -> str | None:
    """Address of a file's bytes for the address of its page; other addresses unchanged."""
    if not url or not url.startswith("/"):
        return url
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path, "show=raw", ""))


def is_markdown(path: str) -> bool:
    """True if the file name is that of Markdown."""
    return path.lower().endswith(ENDINGS)


def _below(base: str, folder: str, url: str, pages: str = "") -> str | None:
    """Address with a relative path resolved in `folder`; None if it leaves `base`."""
    if not base or _is_elsewhere(url) or url.startswith(("/", "\\")):
        return url
    parts = urlsplit(url)
    here = f"{folder}/" if folder and parts.path else ""
    path = normpath(here + unquote(parts.path)) if parts.path else folder or "."
    if path == ".." or path.startswith(("../", "/")):
        return None
    path = "" if path == "." else path + "/" * parts.path.endswith("/")
    fragment = f"{ID_PREFIX}{parts.fragment}" if parts.fragment and is_markdown(path) else parts.fragment
    root = pages if pages and is_markdown(path) else base
    return urlunsplit(("", "", root + quote(path), parts.query, fragment))


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render an image; one of another site becomes a link."""
    token = tokens[index]
    source, text = str(token.attrs.get("src", "")), self.renderInlineAsText(token.children, options, env)
    if _is_elsewhere(source):
        return format_html('<a href="{}">{}</a>', source, text or source)
    return RendererHTML.image(self, tokens, index, options, env)


def _cell(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render a table cell with its alignment as a class, because the CSP allows no style attribute."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style:
        tokens[index].attrSet("class", "align-" + style.removeprefix("text-align:"))
    return self.renderToken(tokens, index, options, env)


def _heading_ids(state: StateCore) -> None:
    """Give every heading an id made of its text. (The plugin that does it needs quadratic time for equal headings.)"""
    seen: Counter[str] = Counter()
    for opening, words in zip(state.tokens, state.tokens[1:], strict=False):
        if opening.type == "heading_open":
            slug = slugify(words.content, allow_unicode=True)[:80] or "section"
            opening.attrSet("id", f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1


def _build() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True, "linkify": True})
    markdown.enable(["table", "strikethrough", "linkify"])
    markdown.use(tasklists_plugin)
    markdown.core.ruler.push("heading_ids", _heading_ids)
    markdown.add_render_rule("image", _image)
    for cell in ("th_open", "td_open"):
        markdown.add_render_rule(cell, _cell)
    return markdown


_markdown = _build()
