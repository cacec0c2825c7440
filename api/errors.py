"""Error responses: exceptions of ours, of Django and of Ninja as JSON of one shape for each API."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as RuleError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel, Field

from collabs.models import TITLE_TAKEN
from collabs.services import SLUG_TAKEN
from drive.libraries.naming import TITLE_TAKEN as NAME_OF_LIBRARY_TAKEN
from drive.storage import StorageError
from groups.services import NAME_TAKEN
from groups.services import SLUG_TAKEN as GROUP_SLUG_TAKEN
from lab.locations.paths import InvalidLocationError
from lab.servers.notifications import TooManyRunsError
from lab.servers.saves import NotSavedHereError, TooManySavesError
from lab.servers.services import CannotLaunchError
from portal.access import SignInRequiredError
from portal.ops import logs

from .access import AuthenticationError, RateLimitError

Fields = Mapping[str, Sequence[str]]
MakeResponse = Callable[[int, str, Fields], HttpResponse]
"""Makes an error response of status, message and errors by field."""

TAKEN = frozenset({TITLE_TAKEN, SLUG_TAKEN, NAME_OF_LIBRARY_TAKEN, NAME_TAKEN, GROUP_SLUG_TAKEN})
"""Messages for a valid value that is already taken (409); other invalid values are 422."""
RETRY_SECONDS = 5
SIGN_IN = "Sign in: send a personal access token from /account/tokens/ as “Authorization: Bearer …”."


class Problem(BaseModel):
    """Error response."""

    status: int = Field(description="HTTP status.")
    error: str = Field(description="Status as a word, for programs: `not_found`, `conflict`, …")
    message: str = Field(description="Reason, for people.")
    fields: dict[str, list[str]] = Field(description="Errors by field of the request.")
    request_id: str = Field(description="Number of the request in the log: quote it if you ask for help.")


def error_code(status: int) -> str:
    """Status as a word for programs, such as `not_found`."""
    return HTTPStatus(status).name.lower() if status in set(HTTPStatus) else "error"


def default_message(status: int) -> str:
    """Status as a sentence, where there is no better message."""
    return f"{HTTPStatus(status).phrase}." if status in set(HTTPStatus) else "The request failed."


def problem(status: int, message: str, fields: Fields | None = None) -> JsonResponse:
    """Error response of `/api/`."""
    data = {"status": status, "error": error_code(status), "message": message, "fields": fields or {}}
    return _with_headers(JsonResponse(data | {"request_id": logs.request_id()}, status=status))


def ebrains_problem(status: int, message: str, fields: Fields | None = None) -> JsonResponse:
    """Error response of `/rest/`, in the shape of the EBRAINS Collab API, which has no 422."""
    status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    data = {"code": status, "message": message, "request_id": logs.request_id()}
    return _with_headers(JsonResponse(data, status=status))


def _with_headers(response: JsonResponse) -> JsonResponse:
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def describe(error: Exception) -> tuple[int, str, Fields] | None:
    """Status, message and errors by field for an exception; None for a fault of ours (500)."""
    match error:
        case ValidationError():
            return _invalid(_fields(error))
        case RuleError():
            return _rule_broken(error)
        case StorageError():
            return error.status, str(error), {}
        case HttpError():
            said = SIGN_IN if error.status_code == HTTPStatus.UNAUTHORIZED else str(error)
            return error.status_code, said, {}
        case UnreadablePostError():
            return 400, "The request was interrupted.", {}
    for kind, (status, otherwise) in _STATUS.items():
        if isinstance(error, kind):
            return status, (str(error) or otherwise), {}
    return None


_STATUS: dict[type[Exception], tuple[int, str]] = {
    Http404: (404, "Not found."),
    SignInRequiredError: (401, SIGN_IN),
    AuthenticationError: (401, SIGN_IN),
    PermissionDenied: (403, "You do not have permission to do this."),
    InvalidLocationError: (422, "Invalid path in the Drive."),
    RequestDataTooBig: (413, "The request is too large."),
    NotSavedHereError: (403, "Not a file that you may write."),
    TooManySavesError: (429, "Too many saves."),
    TooManyRunsError: (429, "Too many messages."),
    RateLimitError: (429, "Too many requests. Try again later."),
    CannotLaunchError: (503, "Not available at the moment. Try again later."),
}


def _rule_broken(error: RuleError) -> tuple[int, str, Fields]:
    """409 for a rule that forbids it, 422 for an invalid value."""
    if TAKEN.intersection(error.messages):
        return 409, " ".join(error.messages), {}
    if not hasattr(error, "error_dict"):
        return 409, " ".join(error.messages), {}
    return _invalid(error.message_dict)


def _invalid(fields: Fields) -> tuple[int, str, Fields]:
    """422 whose message names each field with what is wrong with it, so that a line in a log is enough."""
    said = (f"{'' if name == NON_FIELD_ERRORS else f'{name}: '}{' '.join(texts)}" for name, texts in fields.items())
    return 422, "; ".join(said), fields


def _fields(error: ValidationError) -> Fields:
    """Errors by field, without the framework's prefixes (`body`, `query`)."""
    found: dict[str, list[str]] = {}
    for one in error.errors:
        _source, *steps = one["loc"]
        name = ".".join(str(step) for step in steps if step != "data") or "body"
        found.setdefault(name, []).append(str(one["msg"]))
    return found


def install(api: NinjaAPI, answer: MakeResponse) -> None:
    """Answer every expected exception in one shape; others go on to Django, which logs them (500)."""

    def handle(request: HttpRequest, error: Any) -> HttpResponse:
        described = describe(error)
        if described is None:
            raise error
        response = answer(*described)
        if isinstance(error, (RateLimitError, TooManyRunsError, TooManySavesError)):
            response["Retry-After"] = str(error.seconds)
        return response

    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, handle)
