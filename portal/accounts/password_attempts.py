"""Limits on guessing passwords, counted so that somebody's guesses lock nobody else out.

Wrong passwords are counted by name *and* place. A place is a browser in which this person has been signed in before,
as a signed cookie says, else a network address. Where a name is guessed at from many places, each new place gets fewer
tries, but every place gets some; and the account's person is told.

A name is what is typed, a username or an e-mail address, whether somebody has it or not: who is refused learns neither
whose account it is nor that two names are one person's. The price is that each name of an account has tries of its own.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
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
"""Seconds in which MOST wrong passwords for one name may come from one place."""
MOST = 5
MOST_GUESSED_AT = 2
"""As MOST, at new places, while the name is being guessed at."""
GUESSED_AT = 20
"""Wrong passwords from new places within an hour; then a name counts as guessed at, and an account's person is told."""
PLACE_MOST, PLACE_SPAN = 20, 60
"""Wrong passwords from one place, whatever the name, and seconds. A password counts as wrong while it is looked at, so
these are more than gunicorn has threads: a course may sign in at once, behind one address."""
SIGN_INS_MOST, ADDRESS_SIGN_INS_MOST, SIGN_INS_SPAN = 30, 120, 60
"""Passwords from one place, and from one address with all browsers behind it, right or wrong: each costs the site a
tenth of a second. And seconds."""
HOUR = 3600
TOLD_SECONDS = 24 * HOUR


class TooManySignInsError(Exception):
    """Passwords came too fast from here, right ones perhaps; this one is not looked at."""


class TooManyAttemptsError(Exception):
    """Wrong passwords came too fast from here; this one is not looked at."""


@dataclass(frozen=True)
class Attempt:
    """A password that somebody sends."""

    user: User | None
    name: str
    """What was typed: username or e-mail address."""
    address: str
    browser: str
    """Name of the browser, if this person was signed in there before; else ""."""

    @classmethod
    def of(cls, request: HttpRequest, credentials: dict[str, Any]) -> "Attempt":
        """`credentials`: `username`, `email` or both, as allauth has them."""
        name, mail = str(credentials.get("username") or "").lower(), str(credentials.get("email") or "").lower()
        user = _user_of(name, mail)
        return cls(user, _folded(name or mail), rate_limits.address(request), _browser(request, user))

    @property
    def place(self) -> str:
        """What wrong passwords are counted for."""
        return self.browser or f"address {self.address}"

    def begin(self) -> None:
        """Count it, before the password is looked at: many may come at once.

        TooManySignInsError, TooManyAttemptsError when over a limit.
        """
        for action, whose, most in (
            ("sign-in", self.place, SIGN_INS_MOST),
            ("sign-in-address", self.address, ADDRESS_SIGN_INS_MOST),
        ):
            if not rate_limits.allowed(action, whose, most, SIGN_INS_SPAN):
                raise TooManySignInsError
        for action, whose, most, span in self._limits(self.name):
            if not rate_limits.allowed(action, whose, most, span):
                raise TooManyAttemptsError

    def was_right(self) -> None:
        """Undo the counts of `begin`. Not more: a right password for one account is no excuse for wrong ones."""
        for action, whose, _most, span in self._limits(self.name):
            rate_limits.undo(action, whose, span)

    def was_wrong(self) -> None:
        """Tell the person, once a day, when there were many, whatever names of theirs were typed."""
        if self.user is None or self.browser:
            return
        many = not rate_limits.allowed("wrong-passwords-of", f"person {self.user.pk}", GUESSED_AT - 1, HOUR)
        if many and cache.add(f"told-of-guesses:{self.user.pk}", 1, TOLD_SECONDS):
            audit.record(None, "account.passwords.guessed", self.user)
            hooks.run("passwords_guessed", user=self.user)

    def forgive(self) -> None:
        """Forget the wrong ones for this account: by mail its person has shown who they are."""
        for name in {self.name, *(_names_of(self.user) if self.user else ())}:
            for action, whose, _most, span in self._limits(name):
                if whose != self.place:
                    rate_limits.reset(action, whose, span)

    def _limits(self, name: str) -> Iterator[tuple[str, str, int, int]]:
        """Action, whom it counts for, most, span in seconds. The last has no limit; it says how bad things are."""
        guessed_at = rate_limits.used("wrong-passwords", name, HOUR) >= GUESSED_AT
        most = MOST_GUESSED_AT if guessed_at and not self.browser else MOST
        yield "wrong-password", f"{self.place} {name}", most, SPAN
        yield "wrong-passwords-here", self.place, PLACE_MOST, PLACE_SPAN
        if not self.browser:
            yield "wrong-passwords", name, 2**31, HOUR


def _folded(name: str) -> str:
    """The same for all spellings that find the same account: databases and allauth compare addresses without case."""
    return unicodedata.normalize("NFKC", name).casefold()


def _names_of(user: User) -> Iterator[str]:
    yield _folded(user.username)
    yield _folded(user.email)
    for address in EmailAddress.objects.filter(user=user).values_list("email", flat=True):
        yield _folded(address)


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
