"""Access through the proxy into a Lab: tickets, passes, and which requests a browser may send with them.

Every Lab has an origin of its own, and every person's code can run scripts on theirs. For the browser, all Labs are
one *site*: its SameSite cookies do not keep one Lab's scripts from sending requests to another with the other's
cookies. So a pass alone is not enough; the request must come from the Lab's own pages, or be a plain navigation.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from lab.locations import paths
from lab.models import Pass, Server, State, Ticket
from portal.digest import digest
from portal.models import User

TICKET_SECONDS = 30
_PREFIX = "__Host-" if settings.HTTPS else ""
STATE_COOKIE = f"{_PREFIX}lab_state"
"""Says on the way back from the portal that it was this browser that left for it (against login CSRF)."""
PASS_COOKIE = f"{_PREFIX}lab_pass"
_SECRET = re.compile(r"\A[A-Za-z0-9_-]{43}\Z")
_LABEL = re.compile(r"\A[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")
_DIGEST = re.compile(r"\A[0-9a-f]{64}\Z")
SAFE_METHODS = ("GET", "HEAD")
SIGN_IN_AGAIN = "Your sign-in has ended. Open your Lab in another tab to sign in, then try again here."
START_AGAIN = "This Lab is not running. Start it again in another tab, then try again here."
"""What JupyterLab shows to who saves, say. Not “reload”: that would lose what is not saved."""


def new_secret() -> str:
    """256 random bits, as 43 characters that cookies and addresses hold."""
    return secrets.token_urlsafe(32)


def is_digest(text: str) -> bool:
    """True for 64 hexadecimal digits."""
    return bool(_DIGEST.match(text))


def username_of(request: HttpRequest) -> str:
    """Whose Lab a request to the gateway is for, as the proxy read it from the Host.

    "" when it says nothing sensible.
    """
    label = request.headers.get("X-Lab-User", "").lower()
    return label if _LABEL.match(label) else ""


def cookie(request: HttpRequest, name: str) -> str:
    """A secret of ours from a cookie; "" unless it looks like one."""
    value = request.COOKIES.get(name, "")
    return value if _SECRET.match(value) else ""


# Requests


def is_navigation(headers: Mapping[str, str], method: str) -> bool:
    """A person going to a page in a tab of its own: not a script, an image, a frame or a socket."""
    if method not in SAFE_METHODS or "text/html" not in headers.get("Accept", "") or headers.get("X-Original-Upgrade"):
        return False
    return (
        headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and headers.get("Sec-Fetch-Dest", "document") == "document"
    )


def may_send(headers: Mapping[str, str], method: str, username: str) -> bool:
    """True for requests that this person's pass is good for: from the Lab's own pages, or a navigation.

    `Origin` is on every request that changes something and on every WebSocket; `Sec-Fetch-Site` is on every request
    of a current browser to a secure origin. What has neither is let through only if it is a safe method: a browser
    cannot send anything else without them.
    """
    origin = headers.get("Origin", "")
    if origin and origin != paths.origin(username):
        return False
    site = headers.get("Sec-Fetch-Site", "")
    if site in ("same-origin", "none"):
        return True
    if site:
        return _is_followed_link(headers, method)
    return bool(origin) or (method in SAFE_METHODS and not headers.get("X-Original-Upgrade"))


def _is_followed_link(headers: Mapping[str, str], method: str) -> bool:
    """From another site or another Lab: only a link that was followed in a tab; no frame, no form, no script."""
    return (
        method in SAFE_METHODS
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )


# Passes


def _live_session() -> Exists:
    """The portal session that a ticket or pass came from still exists: signing out deletes its row."""
    sessions = _session_model().objects
    return Exists(sessions.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now()))


def _session_model() -> type[AbstractBaseSession]:
    return import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()


def find_pass(secret: str, username: str) -> Pass | None:
    """The pass of this person that the cookie stands for; its `server` is their running one: (id, token), or None.

    One query. It fails when the person was deactivated, signed out, or changed the password.
    """
    if not secret or not username:
        return None
    running = Server.objects.filter(owner=OuterRef("user"), state=State.RUNNING)
    found = (
        _unexpired()
        .filter(digest=digest(secret), user__username=username)
        .annotate(running_id=Subquery(running.values("pk")[:1]), running_token=Subquery(running.values("token")[:1]))
        .first()
    )
    if found is None or not _has_todays_password(found):
        return None
    found.server = (found.running_id, found.running_token) if found.running_id else None
    return found


def valid_passes(ids: Iterable[int]) -> list[int]:
    """Those of these passes (by primary key) that are still good; one query. See `find_pass` for what ends one."""
    return [one.pk for one in _unexpired().filter(pk__in=ids) if _has_todays_password(one)]


def _unexpired() -> QuerySet[Pass]:
    return Pass.objects.filter(_live_session(), user__is_active=True, expires_at__gt=timezone.now()).select_related(
        "user"
    )


def _has_todays_password(found: Pass) -> bool:
    """False when the password was changed since the pass was issued."""
    return compare_digest(found.auth_hash, found.user.get_session_auth_hash())


def issue_pass(ticket: Ticket) -> tuple[str, datetime]:
    """Issue a pass to the person of the ticket; returns the cookie's value and when it expires."""
    secret = new_secret()
    expires = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    Pass.objects.create(
        digest=digest(secret),
        user=ticket.user,
        session_key=ticket.session_key,
        auth_hash=ticket.user.get_session_auth_hash(),
        expires_at=expires,
    )
    return secret, expires


# Tickets


def issue_ticket(user: User, session_key: str, state_digest: str, place: str) -> str:
    """A ticket to this person's own Lab; returns the secret for the address."""
    secret = new_secret()
    Ticket.objects.create(
        digest=digest(secret),
        user=user,
        session_key=session_key,
        state_digest=state_digest,
        place=paths.local_address(place),
        expires_at=timezone.now() + timedelta(seconds=TICKET_SECONDS),
    )
    return secret


def redeem_ticket(secret: str, username: str, state: str) -> Ticket | None:
    """Redeem a ticket: it is used up.

    None when it is not this person's, not this browser's, used, too old, or its session ended.
    """
    if not _SECRET.match(secret) or not state or not username:
        return None
    now = timezone.now()
    ticket = (
        Ticket.objects.filter(_live_session(), digest=digest(secret), state_digest=digest(state))
        .filter(user__username=username, user__is_active=True)
        .select_related("user")
        .first()
    )
    if ticket is None or not Ticket.objects.filter(pk=ticket.pk, used_at=None, expires_at__gt=now).update(used_at=now):
        return None
    return ticket
