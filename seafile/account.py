"""Version of the server, tokens, and what a person uses."""

from django.http import HttpRequest, HttpResponse

from api.access import AuthenticationError, RateLimitError, check_secret, read_secret
from api.models import Token
from drive.libraries import quota
from portal.models import User

from .calls import Call, answer, fields_of, text_of

VERSION = "9.0.10"
"""X.Y.Z, or rclone ends in a panic; below 7 it lacks half of its functions, and from 11 on seafileapi2 says Bearer."""
UNABLE = "Unable to login with provided credentials."


def server_info(request: HttpRequest) -> HttpResponse:
    """Asked without a token, at every start of rclone."""
    return answer({"version": VERSION, "encrypted_library_version": 2, "features": ["seafile-basic"]})


def ping(request: HttpRequest) -> HttpResponse:
    """A sign of life."""
    return answer("pong")


def ping_signed_in(call: Call) -> HttpResponse:
    """A sign of life for a token that is valid."""
    return answer("pong")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Give back the personal access token that came as the password, with its person's username or e-mail address.

    The account's password is never taken. What is wrong is said in JSON: rclone shows nothing else.
    """
    fields = fields_of(request)
    username, secret = text_of(fields, "username"), text_of(fields, "password")
    given = check_secret(request, secret)
    if isinstance(given.refusal, RateLimitError):
        return answer(_wrong(str(given.refusal)), 429, **{"Retry-After": str(given.refusal.seconds)})
    if not isinstance(given.token, Token) or not _is_name_of(given.token.user, username):
        said = f"{UNABLE} The password is a personal access token of this person, made at /account/connect/."
        return answer(_wrong(said), 400)
    return answer({"token": secret})


def _wrong(said: str) -> dict[str, list[str]]:
    return {"non_field_errors": [said]}


def _is_name_of(user: User, name: str) -> bool:
    name = name.strip().lower()
    return bool(name) and name in (user.username.lower(), user.email.lower())


def exchange_token(call: Call) -> HttpResponse:
    """The token that was sent, as plain text: ebrains-drive gives one of the sign-in service for one of Seafile."""
    secret = read_secret(call.request)
    if not secret:
        raise AuthenticationError("Send a personal access token.")
    return HttpResponse(secret, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def info(call: Call) -> HttpResponse:
    """The person, and bytes that their own libraries use and may use."""
    user, usage = call.user, quota.of_person(call.user)
    share = usage.used_bytes / usage.max_bytes if usage.max_bytes else 0
    return answer(
        {
            "usage": usage.used_bytes,
            "total": usage.max_bytes,
            "space_usage": f"{100 * share:.2f}%",
            "email": user.email or user.username,
            "name": user.display_name,
            "login_id": user.username,
            "department": "",
            "contact_email": user.email,
            "institution": "",
            "is_staff": False,
        }
    )
