"""One request: its person, the fields of its query and body, its library and its path there."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import count, islice
from typing import Any, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from django.http import HttpRequest, JsonResponse

from api.access import Asker
from api.models import Scope
from drive.libraries.access import get_library
from drive.libraries.visibility import Entry
from drive.models import Library
from drive.storage import FileEntry, LibraryFiles, NameTakenError, NotFoundError
from drive.storage.names import NAMES_TRIED, split
from portal.models import User

from .errors import SeafileError

EMPTY_ID = "0" * 40
MOST_FIELDS = 20_000
Result = TypeVar("Result")


class Call:
    """One request of a person's program."""

    def __init__(self, request: HttpRequest, asker: Asker) -> None:
        self.request, self.asker = request, asker

    @property
    def user(self) -> User:
        """The person."""
        return self.asker.user

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """Fields of the body."""
        return fields_of(self.request)

    def field(self, name: str) -> str:
        """A field of the body; "" for none."""
        return text_of(self.fields, name)

    def all(self, name: str) -> list[str]:
        """All values of a field of the body."""
        found = self.fields.get(name, [])
        return [_sound(one) for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]

    def path(self) -> str:
        """The path in the query (`p`, or `path`), or in the body; 400 for none."""
        for given in (self.request.GET.get("p"), self.request.GET.get("path"), self.field("p"), self.field("path")):
            if given:
                return tidy(given)
        raise SeafileError(400, "The path (p) is missing.")

    def folder(self) -> str:
        """As `path`; the library itself for none."""
        return tidy(self.request.GET.get("p") or self.request.GET.get("path") or "")

    def library_field(self, name: str) -> UUID:
        """A library's id in a field of the body."""
        return uuid_of(self.field(name))

    def path_field(self, name: str) -> str:
        """A path in a field of the body."""
        return tidy(self.field(name))

    def reading(self, library_id: UUID) -> tuple[Library, Entry]:
        """The library, for somebody who may read it."""
        self.asker.require(Scope.READ)
        return get_library(self.user, library_id)

    def writing(self, library_id: UUID) -> tuple[Library, Entry]:
        """The library, for somebody who may write there."""
        self.asker.require(Scope.WRITE)
        return get_library(self.user, library_id, "rw")


def fields_of(request: HttpRequest) -> Mapping[str, Any]:
    """Fields of a body: JSON, or a form, with PUT too. Each of a form is a list."""
    kind = (request.content_type or "").lower()
    if kind == "application/json":
        return _json(request.body)
    if kind == "multipart/form-data":
        return dict(request.POST.lists())
    try:
        return parse_qs(request.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise SeafileError(400, "The body is no valid form.") from error


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """The last value of a field; "" for none."""
    found = fields.get(name, "")
    found = found[-1] if isinstance(found, list) and found else found
    return _sound(found) if isinstance(found, str) else ""


def _sound(text: str) -> str:
    """The text; 400 for NUL, which PostgreSQL refuses too, and for halves of characters, which JSON can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SeafileError(400, "A field has characters that are none.") from error
    if "\0" in text:
        raise SeafileError(400, "A field has characters that are none.")
    return text


def _json(body: bytes) -> dict[str, Any]:
    if not body.strip():  # a client says JSON with every request, also without a body
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise SeafileError(400, "The body is no valid JSON.") from error
    if not isinstance(found, dict):
        raise SeafileError(400, "The body is no JSON object.")
    return found


def tidy(path: str) -> str:
    """A path of Seafile's (`/a/b/`) as the Drive has it (`a/b`); 400 for what no path can be."""
    return "/".join(split("/".join(name for name in path.split("/") if name)))


def uuid_of(text: str) -> UUID:
    """The id of a library in a field."""
    try:
        return UUID(text)
    except ValueError as error:
        raise SeafileError(400, "Invalid library id.") from error


def answer(data: object, status: int = 200, **headers: str) -> JsonResponse:
    """JSON, a bare string too: links come as one, which is cut out by its quotes."""
    return JsonResponse(data, safe=False, status=status, headers=headers)


def object_id(text: str) -> str:
    """40 hexadecimal digits, where Seafile has the hash of an object."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def locate(files: LibraryFiles, path: str) -> tuple[str, FileEntry | None]:
    """The path under the name that it has on disk, and what is there; names may come taken apart (NFD)."""
    composed = unicodedata.normalize("NFC", path)
    for one in (path, composed):
        try:
            return one, files.stat(one)
        except NotFoundError:
            continue
    return composed, None


def existing(files: LibraryFiles, path: str, kind: str = "") -> tuple[str, FileEntry]:
    """What is at a path, of this kind (`file`, `folder`); NotFoundError for nothing, or for the other kind."""
    path, found = locate(files, path)
    if found is None or found.kind not in ({kind} if kind else {"file", "folder"}):
        raise NotFoundError(f"{'Folder' if kind == 'folder' else 'File'} /{path} not found.")
    return path, found


def below(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def place_freely(files: LibraryFiles, path: str, place: Callable[[str], Result]) -> tuple[str, Result]:
    """Call `place` with the path, or as `a (1).txt`, `a (2).txt`, … where names are taken. The path, and the result."""
    for candidate in islice(_numbered(path), NAMES_TRIED):
        if locate(files, candidate)[1]:
            continue
        try:
            return candidate, place(candidate)
        except NameTakenError:  # by case, or in this moment
            continue
    raise NameTakenError(path.rpartition("/")[2])


def _numbered(path: str) -> Iterator[str]:
    folder, _slash, name = unicodedata.normalize("NFC", path).rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    yield below(folder, name)
    yield from (below(folder, f"{stem} ({number}){dot}{suffix}") for number in count(1))
