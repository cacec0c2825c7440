"""Addresses below /seafhttp/: each carries the right to one file, one upload or one archive, as its person has it then.

A link is signed, not stored. It names the token that it was made with; each use asks again whether that token counts,
and whether its person may still do this. So a link ends with the token, the share or the role, and clients that send
no Authorization there, or a dead one, are known all the same.
"""

import enum
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from api.access import Asker, LabToken, OpenIdToken, check
from api.models import Scope, Token
from drive.libraries.access import get_library
from drive.models import Library
from identity import access_tokens
from lab.servers import api_tokens

from .calls import Call
from .errors import SeafileError

GOOD_FOR = 12 * 3600
"""Seconds: a large upload begins and ends within them."""
GONE = "This link has expired, or its token was revoked. Ask for another one."


class Kind(enum.StrEnum):
    """What a link is for; its addresses begin with it."""

    FILE = "files"
    UPLOAD = "upload-api"
    UPDATE = "update-api"
    ZIP = "zip"


@dataclass(frozen=True)
class Link:
    """What a link says."""

    asker: Asker
    library: Library
    path: str
    names: list[str]


def link_of(call: Call, kind: Kind, library: Library, path: str = "") -> str:
    """An absolute address without a query, in ASCII: clients cut it out of the answer, and add a query to it.

    A program in a Lab has come by the Lab's socket, and goes on there: the proxy says so (`X-Links-At`).
    """
    code = encode(call.asker, kind, library, path)
    name = f"/{quote(path.rpartition('/')[2], safe='')}" if kind == Kind.FILE else ""
    return f"{call.request.headers.get('X-Links-At') or settings.PORTAL_URL}/seafhttp/{kind}/{code}{name}"


def encode(asker: Asker, kind: Kind, library: Library, path: str, names: list[str] | None = None) -> str:
    """The code in a link."""
    who: list[str | int]
    match asker.token:
        case LabToken() as token:
            who = ["lab", token.server.pk.hex]
        case OpenIdToken() as token:
            who = ["openid", token.granted.pk]
        case token:
            who = ["token", token.pk]
    return _signer(kind).sign_object([*who, library.pk.hex, path, *(names or [])], compress=True)


def decode(kind: Kind, code: str, *, need: str) -> Link:
    """The link of a code, for a person who still may (`need`: r or rw). 403 for one that has ended, never 401.

    ebrains-drive would take 401 for its token's end, and upload once more, from the end of the file: nothing.
    """
    try:
        sort, key, library_id, path, *names = _signer(kind).unsign_object(code, max_age=GOOD_FOR)
    except (BadSignature, ValueError) as error:
        raise SeafileError(403, GONE) from error
    asker = _asker(sort, key)
    asker.require(Scope.WRITE if need == "rw" else Scope.READ)
    library, _entry = get_library(asker.user, UUID(library_id), need)
    return Link(asker, library, path, names)


def _asker(sort: str, key: str | int) -> Asker:
    if sort == "lab":
        server = api_tokens.running_server(UUID(str(key)))
        if server:
            return Asker(LabToken(server))
        raise SeafileError(403, GONE)
    if sort == "openid":
        granted = access_tokens.find_again(int(key))
        if granted:
            return Asker(OpenIdToken(granted))
        raise SeafileError(403, GONE)
    token = Token.objects.select_related("user").filter(pk=key).first()
    if token is None or check(token).token is None:
        raise SeafileError(403, GONE)
    return Asker(token)


def _signer(kind: Kind) -> TimestampSigner:
    return TimestampSigner(salt=f"seafile.{kind}", sep="~")
