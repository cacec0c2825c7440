"""Refusals, with the statuses that Seafile's clients know: 440 to 443 and 520 are its own."""

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from api.access import AuthenticationError, RateLimitError
from drive.libraries.quota import OverQuotaError
from drive.storage import StorageError

OUT_OF_QUOTA = 443
NO_CREDENTIALS = "Authentication credentials were not provided. Send a personal access token."


class SeafileError(Exception):
    """Refused with this status; the text is for the person."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


EXPECTED = (
    SeafileError,
    StorageError,
    Http404,
    PermissionDenied,
    ValidationError,
    AuthenticationError,
    RateLimitError,
    UnreadablePostError,
    RequestDataTooBig,
    MultiPartParserError,
)


def described(error: Exception) -> tuple[int, str]:
    """Status and message of one of EXPECTED.

    401 says that a token is dead, and nothing else: ebrains-drive answers it with another token, or with None.
    """
    match error:
        case OverQuotaError():
            return OUT_OF_QUOTA, str(error)
        case SeafileError() | StorageError():
            return error.status, str(error)
        case Http404():
            return 404, str(error) or "Not found."
        case PermissionDenied():
            return 403, str(error) or "You do not have permission to perform this action."
        case AuthenticationError():
            return 401, str(error) or NO_CREDENTIALS
        case RateLimitError():
            return 429, str(error)
        case ValidationError():
            return 400, " ".join(error.messages)
        case RequestDataTooBig():
            return 413, "The request is too large."
    return 400, "The request was interrupted, or is no valid form."
