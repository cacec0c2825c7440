"""XML in and out. What comes in may declare no document type: entities are how a small body becomes a large one."""

import re
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

from django.http import HttpRequest

from .errors import DavError

DAV = "DAV:"
OWNCLOUD = "http://owncloud.org/ns"
MOST_BYTES = 256 * 1024
MOST_DEEP = 40
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
CONTENT_TYPE = "application/xml; charset=utf-8"

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Reader:
    """Builds the tree of elements; names are `{namespace}name`, and `name` without one."""

    def __init__(self) -> None:
        self.builder, self.deep = ET.TreeBuilder(), 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.builder.data

    def refuse(self, *_: Any) -> None:
        raise DavError(400, "A document type is not allowed in the XML of a request.", "no-external-entities")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.deep += 1
        if self.deep > MOST_DEEP:
            raise DavError(400, "The XML of the request is nested too deeply.")
        self.builder.start(_clark(name), {_clark(key): value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        self.deep -= 1
        self.builder.end(_clark(name))


def _clark(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def read(request: HttpRequest) -> ET.Element | None:
    """The request's body as XML; None for an empty one. 400 for what is not well-formed, 413 for too much."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdigit() or int(announced) > MOST_BYTES:
        raise DavError(413, f"The XML of a request may have {MOST_BYTES >> 10} KiB.")
    return parse(request.body)


def parse(body: bytes) -> ET.Element | None:
    """As `read`, of bytes."""
    if not body:
        return None
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DavError(400, "The XML of the request is not well-formed.") from error
    return reader.builder.close()


def dav(name: str) -> str:
    """A name in the namespace DAV:."""
    return f"{{{DAV}}}{name}"


def text(value: str) -> str:
    """Characters as they stand in an element; those that XML has not, control characters say, as U+FFFD."""
    value = _NOT_IN_XML.sub("\ufffd", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def serialized(element: ET.Element) -> str:
    """An element as it can stand in any document: with its namespaces declared, and without what follows it."""
    tail, element.tail = element.tail, None
    try:
        return ET.tostring(element, encoding="unicode", short_empty_elements=True)
    finally:
        element.tail = tail


def empty(name: str) -> str:
    """An empty element of a name `{namespace}name`."""
    return serialized(ET.Element(name)) if not name.startswith(f"{{{DAV}}}") else f"<D:{name[len(DAV) + 2 :]}/>"


def error_body(message: str, condition: str = "", href: str = "") -> str:
    """Body of an error: the condition of RFC 4918, and the message where ownCloud's clients look for it."""
    inner = f"<D:href>{text(href)}</D:href>" if href else ""
    broken = f"<D:{condition}>{inner}</D:{condition}>" if condition else ""
    said = f'<m:message xmlns:m="http://sabredav.org/ns">{text(message)}</m:message>'
    return f'{HEAD}<D:error xmlns:D="DAV:">{broken}{said}</D:error>\n'
