"""What goes wrong, as one shape of JSON: of our own refusals, of Django's, and of the framework's."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
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
from lab.servers.services import CannotLaunchError
from portal.access import SignInRequiredError
from portal.ops import logs

from .access import AuthenticationError, RateLimitError

Fields = Mapping[str, Sequence[str]]
MakeResponse = Callable[[int, str, Fields], HttpResponse]
"""Makes an error's answer of status, sentence, and what is wrong with which field."""

TAKEN = frozenset({TITLE_TAKEN, SLUG_TAKEN, NAME_OF_LIBRARY_TAKEN, NAME_TAKEN, GROUP_SLUG_TAKEN})
"""What is said of a good value that somebody else has (409); other faults of a value are 422."""
RETRY_SECONDS = 5
SIGN_IN = "Send a personal access token as “Authorization: Bearer …”. They are made at /account/tokens/."


class Problem(BaseModel):
    """Why something was not done."""

    status: int = Field(description="The status of the answer.")
    error: str = Field(description="The status in a word, for programs: `not_found`, `conflict`, …")
    message: str = Field(description="The reason, for people.")
    fields: dict[str, list[str]] = Field(description="What is wrong with which field of the request.")
    request_id: str = Field(description="Under which the log tells more: give it if you ask for help.")


def error_code(status: int) -> str:
    """A status as a word for programs."""
    return HTTPStatus(status).name.lower() if status in set(HTTPStatus) else "error"


def default_message(status: int) -> str:
    """A status as a sentence, where nothing better is known."""
    return f"{HTTPStatus(status).phrase}." if status in set(HTTPStatus) else "It was not done."


def problem(status: int, message: str, fields: Fields | None = None) -> JsonResponse:
    """The answer of `/api/`."""
    data = {"status": status, "error": error_code(status), "message": message, "fields": fields or {}}
    return _with_headers(JsonResponse(data | {"request_id": logs.request_id()}, status=status))


def ebrains_problem(status: int, message: str, fields: Fields | None = None) -> JsonResponse:
    """The answer of `/rest/`: the EBRAINS Collab API's shape, which knows no 422."""
    said = "; ".join([message, *(f"{name}: {' '.join(texts)}" for name, texts in (fields or {}).items())])
    status = 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    data = {"code": status, "message": said, "request_id": logs.request_id()}
    return _with_headers(JsonResponse(data, status=status))


def _with_headers(response: JsonResponse) -> JsonResponse:
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def describe(error: Exception) -> tuple[int, str, Fields] | None:
    """Status, sentence and fields of whatever refuses a request; None for a fault of ours."""
    match error:
        case ValidationError():
            return 422, "The request is not as it should be.", _fields(error)
        case RuleError():
            return _rule_broken(error)
        case StorageError():
            return error.status, str(error), {}
        case HttpError():
            said = SIGN_IN if error.status_code == HTTPStatus.UNAUTHORIZED else str(error)
            return error.status_code, said, {}
        case UnreadablePostError():
            return 400, "The request broke off.", {}
    for kind, (status, otherwise) in _STATUS.items():
        if isinstance(error, kind):
            return status, (str(error) or otherwise), {}
    return None


_STATUS: dict[type[Exception], tuple[int, str]] = {
    Http404: (404, "There is no such thing."),
    SignInRequiredError: (401, SIGN_IN),
    AuthenticationError: (401, SIGN_IN),
    PermissionDenied: (403, "You may not do this."),
    InvalidLocationError: (422, "This is no place in a Drive."),
    RequestDataTooBig: (413, "The request is too large."),
    RateLimitError: (429, "Too often. Please wait."),
    CannotLaunchError: (503, "Not now."),
}


def _rule_broken(error: RuleError) -> tuple[int, str, Fields]:
    """A rule that stands against it (409), or a value that is no good (422)."""
    if TAKEN.intersection(error.messages):
        return 409, " ".join(error.messages), {}
    if not hasattr(error, "error_dict"):
        return 409, " ".join(error.messages), {}
    return 422, " ".join(error.messages), error.message_dict


def _fields(error: ValidationError) -> Fields:
    """By the name of the field, without the framework's own words for where it stood."""
    found: dict[str, list[str]] = {}
    for one in error.errors:
        _source, *steps = one["loc"]
        name = ".".join(str(step) for step in steps if step != "data") or "body"
        found.setdefault(name, []).append(str(one["msg"]))
    return found


def install(api: NinjaAPI, answer: MakeResponse) -> None:
    """Answer every refusal in one shape; a fault of ours goes on to Django, which logs it."""

    def handle(request: HttpRequest, error: Any) -> HttpResponse:
        described = describe(error)
        if described is None:
            raise error
        response = answer(*described)
        if isinstance(error, RateLimitError):
            response["Retry-After"] = str(error.seconds)
        return response

    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, handle)
