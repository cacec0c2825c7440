"""Programs: `seafile(user)` sends requests of Seafile's Web API with a token of the person's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

from api.models import Scope, Token
from api.services import create_token
from collabs.models import Collab
from drive.models import Library
from drive.storage import layout
from portal.models import User

BOUNDARY = "b0undary"
FORM = "application/x-www-form-urlencoded"


def part(name: str, content: bytes | str, filename: str | None = None) -> bytes:
    """One part of a form."""
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    data = content.encode() if isinstance(content, str) else content
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class Answer:
    """An answer whose body has been read."""

    def __init__(self, response: Any) -> None:
        self.status, self.headers = response.status_code, response.headers
        self.body: bytes = response.getvalue()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def names(self) -> list[str]:
        """Names in a list of libraries or of a folder."""
        found = self.json
        return [one["name"] for one in (found["dirent_list"] if isinstance(found, dict) else found)]


class Program:
    """A program with a token. `{}` in an address is the library of the Collab."""

    def __init__(self, token: Token, secret: str, library: Library) -> None:
        self.token, self.secret, self.library = token, secret, library
        self.client = Client()

    def __call__(
        self, method: str, address: str, body: object = None, *, scheme: str = "Token", **query: object
    ) -> Answer:
        """`body`: a dict is a form, bytes are JSON."""
        headers = {"Authorization": f"{scheme} {self.secret}"} if scheme else {}
        kind = "application/json" if isinstance(body, bytes) else FORM
        data = body if isinstance(body, bytes) else urlencode(body or {}, doseq=True).encode()  # type: ignore[arg-type]
        target = "/" + address.replace("{}", str(self.library.pk)).lstrip("/")
        if query:
            target += "?" + urlencode(query)
        return Answer(self.client.generic(method, target, data, kind, headers=headers))

    def get(self, address: str, **query: object) -> Answer:
        return self("GET", address, **query)  # type: ignore[arg-type]  # mypy takes a query for `scheme`

    def post(self, address: str, body: object = None, **query: object) -> Answer:
        return self("POST", address, body, **query)  # type: ignore[arg-type]

    def json(self, address: str, **fields: object) -> Answer:
        """A POST of JSON."""
        address, _mark, query = address.partition("?")
        data = {name: str(self.library.pk) if value == "{}" else value for name, value in fields.items()}
        return self("POST", f"{address}?{query}" if query else address, json.dumps(data).encode())

    def link(self, address: str, **query: object) -> str:
        """Path of a link that the API gives."""
        found = self.get(address, **query)
        assert found.status == 200, found.body
        assert found.json.startswith(f"{django_settings.PORTAL_URL}/seafhttp/")
        return str(found.json).removeprefix(django_settings.PORTAL_URL)

    def follow(self, path: str, **headers: str) -> Answer:
        """A GET of a link, without a token."""
        return Answer(self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}))

    def send(self, link: str, body: bytes, **headers: str) -> Answer:
        """A form to a link, without a token."""
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(self.client.generic("POST", link, body, kind, headers=named))

    def upload(self, name: str, content: bytes, folder: str = "/", **fields: str) -> Answer:
        """As seafileapi2 and rclone do."""
        link = self.link("/api2/repos/{}/upload-link/") + "?ret-json=1"
        given = [part(key, value) for key, value in fields.items()]
        return self.send(link, form(part("parent_dir", folder), *given, part("file", content, name)))

    def listed(self, path: str = "/") -> list[str]:
        return self.get("/api2/repos/{}/dir/", p=path).names


Seafile = Callable[..., Program]


@pytest.fixture
def seafile(settings: Settings, library: Library) -> Seafile:
    """A program of a person's; all scopes unless some are named."""
    settings.DRIVE_USE_ACCEL = False

    def make(user: User, *scopes: Scope, libraries: list[object] | None = None) -> Program:
        given = scopes or (tuple(Scope) if libraries is None else (Scope.READ, Scope.WRITE))
        made = create_token(user, name="test", scopes=given, days=1, libraries=libraries)  # type: ignore[arg-type]
        return Program(*made, library)

    return make


@pytest.fixture
def program(seafile: Seafile, editor: User) -> Program:
    """The editor's."""
    return seafile(editor)


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


@pytest.fixture
def place(library: Library) -> Path:
    """The library's directory on disk."""
    return layout.find(library.pk)


def quoted(name: str) -> str:
    return quote(name, safe="")
