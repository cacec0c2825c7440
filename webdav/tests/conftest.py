"""Programs: `dav(user)` sends requests of WebDAV with a token of the person's."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from pytest_django import Settings

from api.models import Scope, Token
from api.services import create_token
from collabs.models import Collab
from drive.models import Library
from drive.storage import layout
from portal.models import User

CORTEX = "Shared with groups/Cortex"


class Answer:
    """An answer whose body has been read."""

    def __init__(self, response: Any) -> None:
        self.status, self.headers = response.status_code, response.headers
        self.body: bytes = response.getvalue()

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)

    def hrefs(self) -> list[str]:
        return [found.text or "" for found in self.xml.iterfind("{DAV:}response/{DAV:}href")]

    def prop(self, name: str) -> ET.Element | None:
        """A property that the first response has (200)."""
        for stat in self.xml.iterfind("{DAV:}response/{DAV:}propstat"):
            if "200" in (stat.findtext("{DAV:}status") or ""):
                found = stat.find(f"{{DAV:}}prop/{name}")
                if found is not None:
                    return found
        return None


class Program:
    """A program with a token. Paths are below /dav/, and below Cortex where they begin with a colon."""

    def __init__(self, token: Token, secret: str) -> None:
        self.token, self.secret = token, secret
        self.client = Client()

    def address(self, path: str) -> str:
        path = f"{CORTEX}/{path[1:]}" if path.startswith(":") else path
        return f"/dav/{quote(path)}"

    def __call__(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        login = b64encode(f"anybody:{self.secret}".encode()).decode()
        named.setdefault("Authorization", f"Basic {login}")
        if "Destination" in named:
            named["Destination"] = f"http://testserver{self.address(named['Destination'])}"
        data = body.encode() if isinstance(body, str) else body
        return Answer(self.client.generic(method, self.address(path), data, "application/xml", headers=named))

    def status(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> int:
        return self(method, path, body, **headers).status

    def find(self, path: str, *names: str, depth: str = "0") -> Answer:
        """PROPFIND of these properties, or of all."""
        body = ""
        if names:
            body = f"<propfind xmlns='DAV:'><prop>{''.join(f'<{name}/>' for name in names)}</prop></propfind>"
        return self("PROPFIND", path, body, Depth=depth)

    def lock(self, path: str, scope: str = "exclusive", **headers: str) -> Answer:
        body = (
            f"<lockinfo xmlns='DAV:'><lockscope><{scope}/></lockscope><locktype><write/></locktype>"
            "<owner><href>me</href></owner></lockinfo>"
        )
        return self("LOCK", path, body, **headers)


Dav = Callable[..., Program]


@pytest.fixture
def dav(settings: Settings) -> Dav:
    """A program of a person's; all scopes unless some are named."""
    settings.DRIVE_USE_ACCEL = False

    def make(user: User, *scopes: Scope, libraries: list[object] | None = None) -> Program:
        given = scopes or (tuple(Scope) if libraries is None else (Scope.READ, Scope.WRITE))
        return Program(*create_token(user, name="test", scopes=given, days=1, libraries=libraries))  # type: ignore[arg-type]

    return make


@pytest.fixture
def program(dav: Dav, editor: User, collab: Collab) -> Program:
    """The editor's."""
    return dav(editor)


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


@pytest.fixture
def place(library: Library) -> Path:
    """The library's directory on disk."""
    return layout.find(library.pk)
