"""What opens a link, public or for uploads: its address, and its password.

No address is stored. It is made of the row's id and a code of it under the site's SECRET_KEY and the salt of its kind,
so that the address of one kind opens nothing of another.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core import signing
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from drive.models import PublicLink, UploadLink
from portal.web import rate_limits

Link = PublicLink | UploadLink
CODE = 16
"""Bytes of the code: nobody tries 2¹²⁸."""
REMEMBERED = 24 * 3600
"""Seconds for which a browser need not give the password again."""
TRIES_PER_ADDRESS, ADDRESS_SECONDS = 10, 300
TRIES_PER_LINK, LINK_SPAN = 100, timedelta(hours=1)
"""Passwords that can be tried from one network address, and of one link from everywhere."""


class TooManyTriesError(Exception):
    """Passwords were tried too often."""


@dataclass(frozen=True)
class LinkSecrets:
    """Addresses and passwords of one kind of link."""

    salt: str
    cookie: str
    """Name of the cookie that says that a browser has given the password."""

    def _code(self, link_id: UUID, key: str | bytes) -> bytes:
        return salted_hmac(self.salt, link_id.bytes, secret=key, algorithm="sha256").digest()[:CODE]

    def token(self, link_id: UUID) -> str:
        """Token in the link's URL: its id and a code of it under the SECRET_KEY, in base64."""
        return _encoded(link_id.bytes + self._code(link_id, settings.SECRET_KEY))

    def read(self, text: str) -> UUID | None:
        """The id in a token; None for whatever is wrong with it.

        A token has one spelling: decoders take more, such as other bits at the end, or characters that they skip.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "==")
        except (binascii.Error, ValueError):
            return None
        link_id, code = raw[:16], raw[16:]
        if len(code) != CODE or _encoded(raw) != text:
            return None
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        found = UUID(bytes=link_id)
        return found if any(hmac.compare_digest(self._code(found, key), code) for key in keys) else None

    def try_password(self, request: HttpRequest, link: Link, password: str) -> bool:
        """Check a password of a link. TooManyTriesError, whatever the password, after too many wrong ones."""
        whence = f"{link.pk} {rate_limits.address(request)}"
        if not rate_limits.allowed("link-password", whence, TRIES_PER_ADDRESS, ADDRESS_SECONDS) or not _take_try(link):
            raise TooManyTriesError
        if not check_password(password, link.password):
            return False
        _rows(link).filter(wrong_tries__gt=0).update(wrong_tries=F("wrong_tries") - 1)
        rate_limits.undo("link-password", whence, ADDRESS_SECONDS)  # a class has one address
        return True

    def _proof(self, link: Link) -> str:
        """Ends with the password: another one is asked for anew."""
        return salted_hmac(self.salt, f"{link.pk} {link.password}", algorithm="sha256").hexdigest()

    def remember(self, response: HttpResponse, link: Link, base: str) -> None:
        """The browser has given the password: a cookie for this link's addresses alone says so."""
        response.set_cookie(
            self.cookie,
            signing.dumps(self._proof(link), salt=self.salt),
            max_age=REMEMBERED,
            path=base,
            httponly=True,
            secure=settings.HTTPS,
            samesite="Lax",
        )

    def is_remembered(self, request: HttpRequest, link: Link) -> bool:
        """True if this browser has given the password."""
        try:
            said = signing.loads(request.COOKIES.get(self.cookie, ""), salt=self.salt, max_age=REMEMBERED)
        except signing.BadSignature:
            return False
        return hmac.compare_digest(str(said), self._proof(link))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _rows(link: Link) -> QuerySet[Any]:
    return type(link)._default_manager.filter(pk=link.pk)


def _take_try(link: Link) -> bool:
    """Count a try before the password is looked at: of many at once no more are let through either."""
    now = timezone.now()
    rows = _rows(link)
    rows.filter(Q(wrong_since=None) | Q(wrong_since__lt=now - LINK_SPAN)).update(wrong_tries=0, wrong_since=now)
    return bool(rows.filter(wrong_tries__lt=TRIES_PER_LINK).update(wrong_tries=F("wrong_tries") + 1))
