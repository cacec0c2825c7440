"""Render Markdown of people (README, description) as HTML that is safe on the portal's own origin.

markdown-it renders, nh3 lets through only what is listed. Formulas and coloured code are made by us of escaped text.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from posixpath import normpath
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import nh3
from django.conf import settings
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from . import colouring, nesting
from .markup.formulas import Formulas
from .markup.parser import parser

MAX_LENGTH = 256 * 1024
"""Characters of a text that are rendered; the rest is cut off."""

TOO_MUCH = "This text has too many elements within elements to be shown as Markdown. It is shown as it was written."
KEPT_LENGTH = 32 * 1024
"""Maximum characters of a text whose rendering is cached in memory."""

ID_PREFIX = "text-"
"""Prefix of ids in a text, against clashes with those of the page around it (DOM clobbering)."""

ENDINGS = (".md", ".markdown", ".mdown")
"""File name extensions of Markdown."""

TAGS = set(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i "
    "img input ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th "
    "thead tr u ul var".split()
)
DROPPED_WITH_CONTENT = {"script", "style", "template", "title", "textarea", "iframe", "noscript"}
ATTRIBUTES = {
    "*": {"id", "lang", "title"},
    "a": {"href"},
    "code": {"class"},
    "div": {"class"},
    "details": {"open"},
    "input": {"checked"},
    "img": {"src", "alt", "width", "height"},
    "li": {"class"},
    "ol": {"start"},
    "p": {"class"},
    "section": {"class"},
    "td": {"class", "colspan", "rowspan"},
    "th": {"class", "colspan", "rowspan", "scope"},
    "ul": {"class"},
}
_HEADING = re.compile(r"<(/?)h([1-5])(?=[ >])")
"""Headings, which are moved one level down: the page around the text has the only h1."""
_LINK_TAG = re.compile(r"<(/?)a[\s>]", re.IGNORECASE)
CLASSES = re.compile(
    r"language-[\w+#-]{1,32}|align-(?:left|center|right)|contains-task-list|task-list-item|footnotes"
    r"|markdown-alert(?:-(?:title|note|tip|important|warning|caution))?"
)


def render(text: str, *, base: str = "", folder: str = "", pages: str = "") -> SafeString:
    """Render a Markdown text as HTML: what `markup.parser` knows, and harmless raw HTML.

    Relative links and pictures are those of `folder`, which is below `base`, a path of ours that ends with a slash; one
    that climbs out of `base` is dropped. Links lead to pages of files, those to Markdown below `pages` where given;
    pictures are their bytes (`?show=raw`). Pictures of other sites become links, or words where they stand in one: a
    text must not tell other sites who reads it, and the page's Content Security Policy refuses them anyway.
    """
    return (_kept if len(text) <= KEPT_LENGTH else _render)(text[:MAX_LENGTH], base, folder, pages)


def _render(text: str, base: str, folder: str, pages: str) -> SafeString:
    kept = _Kept()
    env: dict[str, Any] = {"formulas": Formulas(), "kept": kept.take}
    tokens = _markdown.parse(text, env)
    env["coloured"] = _colours(tokens)
    rendered = _markdown.renderer.render(tokens, _markdown.options, env)
    if nesting.is_too_much(rendered):
        return format_html("<p>{}</p><pre>{}</pre>", TOO_MUCH, text)
    html = nh3.clean(
        rendered,
        tags=TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes=ATTRIBUTES | {"span": {"class"}},
        attribute_filter=_attribute_filter(base, folder, pages or base, kept),
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": "", "aria-label": "Task"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        id_prefix=ID_PREFIX,
    )
    html = _HEADING.sub(lambda tag: f"<{tag[1]}h{int(tag[2]) + 1}", html)
    return mark_safe(kept.put_back(html))  # noqa: S308


class _Kept:
    """HTML that we made ourselves of people's words, such as MathML, which does not go through the cleaner.

    An element with a name that nobody can guess stands for it. Where raw HTML around it makes an attribute's value of
    it, the cleaner escapes its quotes, so that it stays what stands there.
    """

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._made: list[str] = []

    def take(self, html: str) -> str:
        self._made.append(html)
        return f'<span class="kept-{self._token}-{len(self._made) - 1}"></span>'

    def is_name(self, name: str) -> bool:
        return name.startswith(f"kept-{self._token}-")

    def put_back(self, html: str) -> str:
        mark = re.compile(f'<span class="kept-{self._token}-(\\d+)"></span>')
        return mark.sub(lambda match: self._made[int(match[1])], html)


def _colours(tokens: Sequence[Token]) -> Callable[[str, str], str | None]:
    """Colours of all blocks of code in a text, made at once."""
    blocks = {
        (token.info.split(maxsplit=1)[0], token.content): None
        for token in tokens
        if token.type == "fence" and token.info.strip()
    }
    known = [(lexer, text) for lexer, text in blocks if colouring.is_lexer(lexer)]
    found = dict(zip(known, colouring.coloured_all(known), strict=True))
    return lambda language, text: found.get((language, text))


_kept = lru_cache(64)(_render)
"""Cached rendering, once per process, for texts that are shown often such as the README of a Collab."""


def _attribute_filter(base: str, folder: str, pages: str, kept: _Kept) -> Callable[[str, str, str], str | None]:
    def check(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return f"#{ID_PREFIX}{value[1:]}" if value.startswith("#") else _below(base, folder, value, pages)
        if attribute == "src":
            path = _of_ours(value)
            return None if _is_elsewhere(path) else _bytes_of(_below(base, folder, path))
        if attribute == "class" and tag == "span":
            return value if kept.is_name(value) else None
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
    query = "" if parts.path.startswith(settings.STATIC_URL) else "show=raw"
    return urlunsplit(("", "", parts.path, query, ""))


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
    """Render an image; one of another site becomes a link, or in a link its alternative text or else its host."""
    token = tokens[index]
    source, text = str(token.attrs.get("src", "")), self.renderInlineAsText(token.children, options, env)
    if not _is_elsewhere(_of_ours(source)):
        return RendererHTML.image(self, tokens, index, options, env)
    if token.meta.get("in_link"):
        return escape(text or _host(source))
    return format_html('<a href="{}">{}</a>', source, text or source)


def _host(url: str) -> str:
    try:
        return urlsplit(url.replace("\\", "/")).hostname or "picture"
    except ValueError:
        return "picture"


def _of_ours(url: str) -> str:
    """The path of an address of this site; others unchanged. A badge that was copied has the whole address."""
    ours = settings.PORTAL_URL.rstrip("/") + "/"
    return url[len(ours) - 1 :] if url.lower().startswith(ours.lower()) else url


def _note_links(state: StateCore) -> None:
    """Mark the images that stand in a link."""
    for block in state.tokens:
        depth = 0
        for token in block.children or []:
            depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            if token.type == "html_inline" and (match := _LINK_TAG.match(token.content)):
                depth += -1 if match[1] else 1
            if token.type == "image" and depth > 0:
                token.meta["in_link"] = True


def _cell(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render a table cell with its alignment as a class, because the CSP allows no style attribute."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style:
        tokens[index].attrSet("class", "align-" + style.removeprefix("text-align:"))
    return self.renderToken(tokens, index, options, env)


def _build() -> MarkdownIt:
    markdown = parser()
    markdown.core.ruler.push("note_links", _note_links)
    markdown.add_render_rule("image", _image)
    for cell in ("th_open", "td_open"):
        markdown.add_render_rule(cell, _cell)
    return markdown


_markdown = _build()
