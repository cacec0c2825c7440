"""Somebody's HTML as a part of a page: it ends where it ends, and connects to nobody.

What is open at its end is closed; stray ends, comments, scripts and what connects to other sites whatever the page's
policy (`<link rel=preconnect>`) are left out. No script would run anyway: the page's policy lets none.
"""

import html
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_VOID = set("area br col embed hr img input param source track wbr".split())
_LEFT_OUT = set("base body frame frameset head html link meta".split())
_LEFT_OUT_WITH_CONTENT = set(
    "iframe noembed noframes noscript object plaintext script template textarea title xmp".split()
)
_CLOSED_BY_ITSELF = set("li p td th tr tbody thead tfoot dt dd option colgroup".split())
DEEPEST = 500
"""Elements within elements; what is deeper is shown without them."""

Attachment = Callable[[str], str | None]
"""Gives a data URI for an attachment's name."""


def contained(text: str, attachment: Attachment | None = None) -> str:
    """The HTML, contained. Pictures of other sites become links, those beside the notebook `library:` and the path."""
    parser = _Parser(attachment or _no_attachment)
    try:
        parser.feed(text)
        parser.close()
    except (AssertionError, ValueError):
        return f"<pre>{html.escape(text)}</pre>"
    return parser.result()


def _no_attachment(name: str) -> str | None:
    return None


class _Parser(HTMLParser):
    def __init__(self, attachment: Attachment) -> None:
        super().__init__(convert_charrefs=False)
        self._attachment = attachment
        self._parts: list[str] = []
        self._open: list[str] = []
        self._hidden: list[str] = []
        """Elements that are left out, and what is in them."""

    def result(self) -> str:
        return "".join(self._parts) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def _add(self, text: str) -> None:
        if not self._hidden:
            self._parts.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LEFT_OUT_WITH_CONTENT:
            self._hidden.append(tag)
        elif tag in _LEFT_OUT or self._hidden:
            return
        elif tag == "img":
            self._add(self._picture(dict(attrs)))
        elif tag in _VOID:
            self._add(self.get_starttag_text() or "")
        elif len(self._open) < DEEPEST:
            self._open.append(tag)
            self._add(self._start(tag, attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<path/>` of an SVG has no end; `<div/>` is a start, as in browsers."""
        self.handle_starttag(tag, attrs)
        if "svg" in self._open and tag not in _VOID:
            self.handle_endtag(tag)

    def _start(self, tag: str, attrs: list[tuple[str, str | None]]) -> str:
        text = self.get_starttag_text() or ""
        if text.endswith("/>"):
            text = text[:-2].rstrip() + ">"
        if tag == "a" and any(name == "href" and (value or "").startswith("#") for name, value in attrs):
            return f'{text[:2]} target="_self"{text[2:]}'
        return text

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
            return
        if tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            if last == tag:
                break
            if last not in _CLOSED_BY_ITSELF:
                self._add(f"</{last}>")
        self._add(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        in_style = bool(self._open) and self._open[-1] == "style"
        self._add(data if in_style else html.escape(data, quote=False))

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def _picture(self, attrs: dict[str, str | None]) -> str:
        source = (attrs.get("src") or "").strip()
        words = html.escape(attrs.get("alt") or "")
        found: str | None = source
        if source.lower().startswith("attachment:"):
            name = unquote(source[len("attachment:") :])
            found = self._attachment(name)
            if found is None:
                return f'<span class="missing">The picture “{html.escape(name)}” is missing in this notebook.</span>'
        elif _is_elsewhere(source):
            if "a" in self._open:
                return words or "picture"
            return f'<a href="{html.escape(source)}">{words or html.escape(source)}</a>'
        elif not source.lower().startswith("data:"):
            found = f"library:{source}"
        kept = {
            name: attrs[name]
            for name in ("alt", "title", "width", "height", "align", "style", "class", "id")
            if name in attrs
        }
        given = "".join(f' {name}="{html.escape(value or "")}"' for name, value in kept.items())
        return f'<img src="{html.escape(found or "")}"{given}>'


def _is_elsewhere(url: str) -> bool:
    try:
        parts = urlsplit(url.replace("\\", "/"))
    except ValueError:
        return True
    return parts.scheme in ("http", "https", "ftp") or bool(parts.netloc)
