"""Limits on guessing passwords, counted so that somebody's guesses lock nobody else out.

Wrong passwords are counted by account *and* place. A place is a browser in which this person has been signed in before,
as a signed cookie says, else a network address. Where an account is guessed at from many places, each new place gets
fewer tries, but every place gets some; and its person is told.

An account is the same whether it is named by its username or an e-mail address. Names that nobody has are counted
alike, so that nothing is learned of who has an account.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allauth.account.utils import filter_users_by_email
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from portal import audit, hooks
from portal.models import User
from portal.web import rate_limits

COOKIE_SECONDS = 365 * 24 * 3600
_SALT = "portal.accounts.password_attempts"

SPAN = 300
"""Seconds in which MOST wrong passwords for one account may come from one place."""
MOST = 5
MOST_GUESSED_AT = 2
"""As MOST, at new places, while the account is being guessed at."""
GUESSED_AT = 20
"""Wrong passwords from new places within an hour; then the account counts as guessed at, and its person is told."""
PLACE_MOST, PLACE_SPAN = 10, 60
"""Wrong passwords from one place, whatever the account, and seconds."""
SIGN_INS_MOST, SIGN_INS_SPAN = 30, 60
"""Passwords from one place, right or wrong: each costs the site a tenth of a second. And seconds."""
HOUR = 3600
TOLD_SECONDS = 24 * HOUR


class TooManyAttemptsError(Exception):
    """Wrong passwords came too fast from here; this one is not looked at."""


@dataclass(frozen=True)
class Attempt:
    """A password that somebody sends."""

    user: User | None
    account: str
    place: str
    known: bool
    """True if the place is a browser in which this person was signed in."""

    @classmethod
    def of(cls, request: HttpRequest, credentials: dict[str, Any]) -> "Attempt":
        """`credentials`: `username`, `email` or both, as allauth has them."""
        name, mail = str(credentials.get("username") or "").lower(), str(credentials.get("email") or "").lower()
        user = _user_of(name, mail)
        account = f"person {user.pk}" if user else f"nobody {mail or name}"
        browser = _browser(request, user)
        return cls(user, account, browser or f"address {rate_limits.address(request)}", known=bool(browser))

    def begin(self) -> None:
        """Count it, before the password is looked at: many may come at once. TooManyAttemptsError when over a limit."""
        if not rate_limits.allowed("sign-in", self.place, SIGN_INS_MOST, SIGN_INS_SPAN):
            raise TooManyAttemptsError
        for action, whose, most, span in self._limits():
            if not rate_limits.allowed(action, whose, most, span):
                raise TooManyAttemptsError

    def was_right(self) -> None:
        """Undo the counts of `begin`. Not more: a right password for one account is no excuse for wrong ones."""
        for action, whose, _most, span in self._limits():
            rate_limits.undo(action, whose, span)

    def was_wrong(self) -> None:
        """Tell the person, once a day, when there were many."""
        if self.user and self._is_guessed_at() and cache.add(f"told-of-guesses:{self.user.pk}", 1, TOLD_SECONDS):
            audit.record(None, "account.passwords.guessed", self.user)
            hooks.run("passwords_guessed", user=self.user)

    def forgive(self) -> None:
        """Forget the wrong ones for this account: by mail its person has shown who they are."""
        for action, whose, _most, span in self._limits():
            if whose.startswith(self.account):
                rate_limits.reset(action, whose, span)

    def _limits(self) -> Iterator[tuple[str, str, int, int]]:
        """Action, whom it counts for, most, span in seconds. The last has no limit; it says how bad things are."""
        most = MOST if self.known or not self._is_guessed_at() else MOST_GUESSED_AT
        yield "wrong-password", f"{self.account} {self.place}", most, SPAN
        yield "wrong-passwords-here", self.place, PLACE_MOST, PLACE_SPAN
        if not self.known:
            yield "wrong-passwords", self.account, 2**31, HOUR

    def _is_guessed_at(self) -> bool:
        return rate_limits.used("wrong-passwords", self.account, HOUR) >= GUESSED_AT


def _user_of(name: str, mail: str) -> User | None:
    user = User.objects.filter(username=name).first() if name else None
    if user is None and (mail or "@" in name):
        user = next(iter(filter_users_by_email(mail or name, prefer_verified=True)), None)
    return user


# Browsers


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Remember in the browser that this person has signed in there. It opens nothing; it only counts apart."""
    name = _browser(request, user).removeprefix("browser ") or secrets.token_hex(8)
    response.set_cookie(
        settings.BROWSER_COOKIE_NAME,
        signing.dumps([user.pk, name], salt=_SALT),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _browser(request: HttpRequest, user: User | None) -> str:
    """The browser's name, if this person was the last to sign in there; else ""."""
    try:
        known, name = signing.loads(
            request.COOKIES.get(settings.BROWSER_COOKIE_NAME, ""), salt=_SALT, max_age=COOKIE_SECONDS
        )
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return f"browser {name}" if user and known == user.pk else ""
