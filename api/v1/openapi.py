"""OpenAPI document arranged for the documentation page: operations by tag."""

from dataclasses import dataclass
from typing import Any

from .schemas import ALWAYS

Document = dict[str, Any]
NOTHING: tuple[str, Document] = ("", {})
MEANING = {"application/octet-stream": "bytes"}


@dataclass(frozen=True)
class Field:
    """Parameter, or field of a request body."""

    name: str
    type: str
    required: bool
    place: str
    text: str


@dataclass(frozen=True)
class Operation:
    """Operation: a method of an address."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    scope: str
    is_open: bool
    """True if no account is needed."""
    parameters: list[Field]
    body: list[Field]
    body_type: str
    answers: list[tuple[int, str]]
    errors: list[int]


@dataclass(frozen=True)
class Group:
    """Operations with one tag."""

    name: str
    operations: list[Operation]


def described(document: Document) -> list[Group]:
    """All operations by tag, in the order of the document."""
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, operations in document["paths"].items():
        for method, details in operations.items():
            groups.setdefault(details["tags"][0], []).append(_operation(document, path, method, details))
    return [Group(name, found) for name, found in groups.items() if found]


def _operation(document: Document, path: str, method: str, details: Document) -> Operation:
    codes = {int(code): answer for code, answer in details["responses"].items()}
    content = details.get("requestBody", {}).get("content", {})
    kind, sent = next(iter(content.items()), NOTHING)
    return Operation(
        id=details["operationId"].replace(".", "-"),
        method=method.upper(),
        path=path,
        summary=details["summary"],
        text=details.get("description", ""),
        scope=details.get("x-scope", ""),
        is_open={} in details.get("security", []),
        parameters=[_parameter(document, one) for one in details.get("parameters", [])],
        body=_fields(document, sent.get("schema", {}), "body"),
        body_type=MEANING.get(kind, kind),
        answers=[(code, _answer(document, answer)) for code, answer in sorted(codes.items()) if code < 400],
        errors=sorted(code for code in codes if code >= 400 and code not in ALWAYS),
    )


def _parameter(document: Document, one: Document) -> Field:
    return Field(one["name"], _type(document, one["schema"]), one["required"], one["in"], one.get("description", ""))


def _answer(document: Document, answer: Document) -> str:
    kind, given = next(iter(answer.get("content", {}).items()), NOTHING)
    if kind and kind not in MEANING:
        return _type(document, given["schema"])
    return MEANING.get(kind) or answer.get("description", "")


def _resolve(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _fields(document: Document, schema: Document, place: str) -> list[Field]:
    schema = _resolve(document, schema)
    required = schema.get("required", [])
    return [
        Field(name, _type(document, one), name in required, place, one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    ]


def _type(document: Document, schema: Document) -> str:
    """Type in a few words: `string`, `list of Collab`, `read or write`."""
    if "$ref" in schema:
        named = _resolve(document, schema)
        return " or ".join(named["enum"]) if "enum" in named else _title(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type(document, one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(document, schema['items'])}"
    return schema.get("format") or schema.get("type", "")


def _title(name: str) -> str:
    """`Page_CollabOut_` as “page of Collab”."""
    if name.startswith("Page_"):
        return f"page of {_title(name[5:].strip('_'))}"
    return name.removesuffix("Out")
