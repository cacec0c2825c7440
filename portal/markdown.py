"""Markdown to HTML that is safe on the portal's own origin: markdown-it renders, nh3 lets through only what is listed."""

from urllib.parse import quote, urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from mdit_py_plugins.tasklists import tasklists_plugin

TAGS = set(
    "a abbr b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s span strong sub "
    "summary sup table tbody td th thead tr ul".split()
)
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title", "width", "height"}, "code": {"class"}}
SCHEMES = {"http", "https", "mailto"}

_markdown = MarkdownIt("commonmark", {"html": True, "linkify": True}).enable(["table", "strikethrough", "linkify"])
_markdown.use(tasklists_plugin)


def render(text: str, *, base: str = "") -> SafeString:
    """HTML of `text`. Relative links and images are looked up below `base`, a path of ours that ends with a slash.

    Images from elsewhere are shown as links: a README must not tell other sites who reads it (and the page's CSP refuses them).
    """

    def rewrite(tag: str, attribute: str, value: str) -> str | None:
        if attribute not in ("href", "src"):
            return value
        parts = urlsplit(value)
        if parts.scheme or parts.netloc:
            return None if attribute == "src" else value
        if value.startswith(("/", "#")) or not base:
            return value
        address = base + quote(parts.path, safe="/%")
        return address + (f"#{parts.fragment}" if parts.fragment else "")

    html = nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        attribute_filter=rewrite,
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308
