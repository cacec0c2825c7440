"""Reading the table: see README.md beside it."""

import inspect
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver, resolve

from api.ebrains.api import api as rest
from api.v1.api import api as v1

from .people import KINDS, World

HERE = Path(__file__).parent
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HEADERS = {
    "tus": {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": "filename bmV3LnR4dA=="},
    "bytes": {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"},
    "lab": {"X-Lab-User": "owner", "Accept": "text/html"},
    "lab-page": {"X-Lab-User": "owner", "Origin": "http://owner.lab.localhost:8000"},
    "page": {"Origin": "http://localhost:8000"},
}
"""Request bodies by name, for rows with `@name` after their statuses."""
TYPES = {"bytes": "application/offset+octet-stream"}
_ROW = re.compile(r"(?P<method>[A-Z]+)\s+(?P<address>/\S*)\s+(?P<statuses>(?:(?:in|\d{3})\s*){8})(?P<rest>.*)")


@dataclass(frozen=True)
class Row:
    """One method of one address: what each kind of person gets."""

    file: str
    line: int
    method: str
    address: str
    statuses: tuple[str, ...]
    body: str
    headers: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.method} {self.address}"

    @property
    def route(self) -> str:
        """As the resolver calls it; raises Resolver404 where there is none."""
        return self.match.route

    @property
    def match(self) -> ResolverMatch:
        """Route of the address."""
        example = dict.fromkeys(_names(self.address), "1") | dict.fromkeys(UUIDS, UUID)
        return resolve(self.address.format(**example).partition("?")[0])

    @property
    def view(self) -> str:
        """Module and name of the function that answers."""
        found = inspect.unwrap(self.match.func)
        return f"{getattr(found, 'view_class', found).__module__}.{found.__name__}"

    def expected(self, kind: str) -> str:
        """A status, or `in`."""
        return self.statuses[KINDS.index(kind)]

    def send(self, client: Client, world: World, **more: Any) -> HttpResponseBase:
        """The request, and its end: an archive that nobody takes would keep others from theirs."""
        answer = self._send(client, world, **more)
        if answer.streaming:
            deque(answer, maxlen=0)
        return answer

    def _send(self, client: Client, world: World, **more: Any) -> HttpResponseBase:
        body = dict_of(self.body.format(**world.names))
        headers = HEADERS[self.headers] if self.headers else {}
        address, query = self.address.format(**world.names), None
        if self.method == "GET":
            return client.get(address, query, headers=headers, **more)
        if self.method == "POST":
            return client.post(address, body, headers=headers, **more)
        content_type = TYPES.get(self.headers, "application/octet-stream")
        return client.generic(self.method, address, self.body, content_type, headers=headers, **more)


UUID = "00000000-0000-4000-8000-000000000000"
UUIDS = ("lib", "open_lib", "own", "deleted", "link", "upload_link", "pull")


def _names(text: str) -> list[str]:
    return re.findall(r"{(\w+)}", text)


def dict_of(body: str) -> dict[str, list[str]]:
    """A form's fields; one may come several times."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


@cache
def rows(file: str) -> tuple[Row, ...]:
    """Rows of one file; AssertionError for an invalid line."""
    return tuple(_read(file))


def _read(file: str) -> Iterator[Row]:
    for number, line in enumerate((HERE / file).read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _ROW.fullmatch(text)
        assert found, f"{file}:{number} is not a row: METHOD /address, eight statuses, fields or @headers: {text}"
        given = found["rest"].split()
        named = [word[1:] for word in given if word.startswith("@")]
        body = " ".join(word for word in given if not word.startswith("@"))
        yield Row(
            file, number, found["method"], found["address"], tuple(found["statuses"].split()), body, "".join(named)
        )


FILES = sorted(path.name for path in HERE.glob("*.txt"))


def all_rows() -> list[Row]:
    """Rows of all files."""
    return [row for file in FILES for row in rows(file)]


def routes() -> set[str]:
    """Every route of the site, but the operations of the API, which have a table of their own."""
    return set(_walk(get_resolver(), ""))


def _walk(resolver: URLResolver, before: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        here = before + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLPattern):
            yield here
        elif pattern.namespace not in (v1.urls_namespace, rest.urls_namespace) and pattern.namespace != "api":
            yield from _walk(pattern, here)
