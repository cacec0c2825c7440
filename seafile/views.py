"""The three addresses: which function answers what, who asks, and what goes wrong."""

import json
import logging
import re
from collections.abc import Callable
from urllib.parse import unquote
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from api.access import Asker, AuthenticationError, RateLimitError, challenge, check_openid, read_own_token, read_secret

from . import account, changes, downloads, libraries, listing, sharing, transfers, uploads
from .calls import Call, answer
from .errors import EXPECTED, NO_CREDENTIALS, SeafileError, described
from .links import Kind

log = logging.getLogger(__name__)

Answer = Callable[..., HttpResponseBase]
Methods = dict[str, Answer]
RETRY_SECONDS = 5
_ID = r"(?P<library_id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
_REPO = f"repos/{_ID}"

ANYBODY: dict[str, Methods] = {
    r"api2/server-info": {"GET": account.server_info},
    r"api2/ping": {"GET": account.ping},
    r"api2/auth-token": {"POST": account.sign_in},
    r"seafhttp/files/(?P<code>[^/]+)(?:/.*)?": {"GET": downloads.send_file, "HEAD": downloads.send_file},
    r"seafhttp/zip/(?P<code>[^/]+)": {"GET": downloads.send_zip, "HEAD": downloads.send_zip},
    r"seafhttp/upload-api/(?P<code>[^/]+)": {"POST": uploads.upload, "OPTIONS": uploads.options},
    r"seafhttp/update-api/(?P<code>[^/]+)": {"POST": uploads.update, "OPTIONS": uploads.options},
}
"""Without credentials: the first three tell nothing of anybody, and each link below /seafhttp/ says whose it is."""

PERSONS: dict[str, Methods] = {
    r"api2/auth/ping": {"GET": account.ping_signed_in},
    r"api2/account/token": {"GET": account.exchange_token},
    r"api2/account/info": {"GET": account.info},
    r"api2/repos": {"GET": libraries.list_all, "POST": libraries.create},
    r"api2/default-repo": {"GET": libraries.default, "POST": libraries.default},
    rf"api2/{_REPO}": {"GET": libraries.get, "POST": libraries.unlock, "DELETE": libraries.delete},
    rf"api2/{_REPO}/dir": {
        "GET": listing.list_folder,
        "POST": changes.change_folder,
        "DELETE": changes.delete_folder,
    },
    rf"api2/{_REPO}/dir/shared_items": {
        "GET": sharing.list_shares,
        "PUT": sharing.share,
        "POST": sharing.change_share,
        "DELETE": sharing.end_share,
    },
    rf"api2/{_REPO}/(?:file|dir)/shared-link": {"PUT": sharing.shared_link},
    rf"api2/{_REPO}/file": {
        "GET": listing.download_link,
        "POST": changes.change_file,
        "DELETE": changes.delete_file,
    },
    rf"api2/{_REPO}/file/detail": {"GET": listing.get_file},
    rf"api2/{_REPO}/upload-link": {"GET": uploads.upload_link},
    rf"api2/{_REPO}/update-link": {"GET": uploads.update_link},
    rf"api/v2\.1/{_REPO}": {"GET": libraries.get_v21, "DELETE": libraries.delete},
    rf"api/v2\.1/{_REPO}/dir": {
        "GET": listing.list_folder_v21,
        "POST": changes.change_folder_v21,
        "DELETE": changes.delete_v21,
    },
    rf"api/v2\.1/{_REPO}/dir/detail": {"GET": listing.get_folder},
    rf"api/v2\.1/{_REPO}/file": {
        "GET": listing.get_file,
        "POST": changes.change_file_v21,
        "DELETE": changes.delete_v21,
    },
    rf"api/v2\.1/{_REPO}/upload-link": {"GET": uploads.upload_link},
    rf"api/v2\.1/{_REPO}/file-uploaded-bytes": {"GET": uploads.uploaded_bytes},
    rf"api/v2\.1/{_REPO}/trash": {"DELETE": libraries.empty_trash},
    rf"api/v2\.1/{_REPO}/zip-task": {"POST": downloads.prepare_zip},
    r"api/v2\.1/query-zip-progress": {"GET": downloads.zip_progress},
    r"api/v2\.1/copy-move-task": {"POST": transfers.copy_or_move},
    r"api/v2\.1/query-copy-move-progress": {"GET": transfers.progress},
    r"api/v2\.1/repos/(?:sync|async)-batch-move-item": {"POST": transfers.move_batch},
    r"api/v2\.1/repos/(?:sync|async)-batch-copy-item": {"POST": transfers.copy_batch},
    r"api/v2\.1/repos/batch-delete-item": {"DELETE": changes.delete_batch},
    r"api/v2\.1/share-links": {"GET": sharing.list_links, "POST": sharing.make_link},
    r"api/v2\.1/share-links/(?P<token>[\w-]+)": {"DELETE": sharing.end_link},
}
"""For the person of the token that was sent."""

TOKENS: dict[str, Methods] = {
    r"repo-info": {"GET": libraries.get_v21},
    r"dir": PERSONS[rf"api/v2\.1/{_REPO}/dir"],
    r"file": PERSONS[rf"api/v2\.1/{_REPO}/file"],
    r"upload-link": {"GET": uploads.upload_link},
    r"download-link": {"GET": listing.download_link},
}
"""Below `api/v2.1/via-repo-token/`: for the one library that the token is limited to."""

_TABLES = [
    [(re.compile(pattern, re.DOTALL), methods) for pattern, methods in table.items()]
    for table in (ANYBODY, PERSONS, {rf"api/v2\.1/via-repo-token/{name}": methods for name, methods in TOKENS.items()})
]


@csrf_exempt  # it believes a token, or a link, and no cookie
@never_cache
def api(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """Every address of the Web API, with a slash at its end and without; never a redirect."""
    address = request.path_info.strip("/")
    try:
        return _answer(request, address)
    except EXPECTED as error:
        return _refusal(request, address, error)
    except (OperationalError, InterfaceError):
        log.exception("the database cannot be read")
        return _error(address, 503, "The site cannot reach its database at the moment.", RETRY_SECONDS)


def _answer(request: HttpRequest, address: str) -> HttpResponseBase:
    for number, table in enumerate(_TABLES):
        for pattern, methods in table:
            if found := pattern.fullmatch(address):
                values: dict[str, UUID | str] = dict(found.groupdict())
                if "library_id" in values:
                    values["library_id"] = UUID(str(values["library_id"]))
                return _call(request, number, methods, values)
    raise Http404("No such address in the Web API.")


def _call(request: HttpRequest, table: int, methods: Methods, values: dict[str, UUID | str]) -> HttpResponseBase:
    function = methods.get(request.method or "")
    if table == 0:
        return function(request, **values) if function else _not_allowed(methods)
    asker = identify(request)
    if function is None:
        return _not_allowed(methods)
    if table == 2:
        values = {"library_id": _only_library(asker)}
    return function(Call(request, asker), **values)


def _not_allowed(methods: Methods) -> HttpResponse:
    return answer({"detail": "Method not allowed."}, 405, Allow=", ".join(methods))


def identify(request: HttpRequest) -> Asker:
    """The asker; raises AuthenticationError (401) or RateLimitError (429).

    Access tokens of OpenID Connect come as Bearer, and as Token from a program that has "exchanged" one.
    """
    given = check_openid(read_secret(request)) or read_own_token(request)
    if given is None:
        raise AuthenticationError(NO_CREDENTIALS)
    if given.refusal or given.token is None:
        raise given.refusal or AuthenticationError(NO_CREDENTIALS)
    return Asker(given.token)


def _only_library(asker: Asker) -> UUID:
    only = asker.user.only_libraries
    if only is None or len(only) != 1:
        raise SeafileError(403, "This needs a token that is limited to one library. Make one on the library's page.")
    return next(iter(only))


def _refusal(request: HttpRequest, address: str, error: Exception) -> HttpResponse:
    status, message = described(error)
    retry = error.seconds if isinstance(error, RateLimitError) else 0
    response = _error(address, status, message, retry)
    if status == 401:
        named = challenge(request)
        response["WWW-Authenticate"] = "Token" if named == "Bearer" else named
    return response


def _error(address: str, status: int, message: str, retry: int = 0) -> HttpResponse:
    """Errors as Seafile's three parts have them."""
    response = answer(_body(address, status, message), status)
    if retry:
        response["Retry-After"] = str(retry)
    if address.startswith("seafhttp/"):
        response["Access-Control-Allow-Origin"] = "*"
    return response


def _body(address: str, status: int, message: str) -> dict[str, str]:
    if address.startswith("seafhttp/"):
        return {"error": message}
    return {"detail" if status in (401, 429) else "error_msg": message}


_UPLOAD = re.compile(r"/seafhttp/(upload-api|update-api)/([^/?]+)/?(?:\?.*)?", re.DOTALL)


@never_cache
@require_GET
def may_upload(request: HttpRequest) -> HttpResponse:
    """The proxy's question before it reads the body of an upload: 204, or 403 with the real answer in headers."""
    length = request.headers.get("X-Original-Length", "")
    found = _UPLOAD.fullmatch(request.headers.get("X-Original-URI", ""))
    try:
        if found is None:
            raise Http404("No such address in the Web API.")
        uploads.may_upload(Kind(found[1]), unquote(found[2]), int(length) if length.isdigit() else None)
    except EXPECTED as error:
        status, message = described(error)
    except (OperationalError, InterfaceError):
        log.exception("the database cannot be read")
        status, message = 503, "The site cannot reach its database at the moment."
    else:
        return HttpResponse(status=204)
    headers = {"X-Seafile-Status": str(status), "X-Seafile-Said": json.dumps({"error": message})}
    return HttpResponse(status=403, headers=headers)
