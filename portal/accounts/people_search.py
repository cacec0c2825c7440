"""People search by username, name or e-mail address, with a rate limit."""

from allauth.account import app_settings
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext, gettext_lazy

from portal.models import User
from portal.web import rate_limits

MAX_SUGGESTIONS = 8
MIN_LETTERS = 2
"""Minimum letters of a search: fewer would list everybody, page by page."""
SEARCHES_PER_MINUTE = 60
"""Rate limit per person: enough for typing, too few to list everybody."""


NO_ACCOUNT = gettext_lazy("There is no account with this username or e-mail address.")


class NoAccountError(ValidationError):
    """Nobody has this username or e-mail address; names people whose names begin like it."""

    def __init__(self, near: list[User]) -> None:
        names = ", ".join(label(user) for user in near)
        perhaps = gettext("Did you mean: %(names)s?") % {"names": names} if near else ""
        super().__init__(f"{NO_ACCOUNT} {perhaps}".strip(), code="no_account")
        self.near = near


def find_person(text: str, asker: User) -> User:
    """The active person with this username or e-mail address. NoAccountError, with suggestions, for none.

    Counts as a search of `asker`: the suggestions in the error list people too.
    """
    if not may_search(asker):
        raise ValidationError(gettext("Too many searches. Try again in a minute."))
    text = text.replace("\0", " ").strip()  # PostgreSQL refuses NUL
    user = User.objects.filter(username=text.lower(), is_active=True).first()
    if user:
        return user
    found = _of_address(text)
    if len(found) > 1:
        raise ValidationError(gettext("Several accounts have this e-mail address. Enter the username instead."))
    if found:
        return found[0]
    raise NoAccountError(list(suggest(text)))


def _of_address(address: str) -> list[User]:
    """People with an e-mail address. Anybody can sign up with another's address, so who confirmed it comes first.

    Unconfirmed addresses count only where confirmation is optional; accounts made by operators have nothing to confirm.
    """
    if not address:
        return []
    given = EmailAddress.objects.filter(user=OuterRef("pk"), email__iexact=address)
    people = User.objects.filter(email__iexact=address, is_active=True)
    proven = people.filter(Exists(given.filter(verified=True)))
    trusted = people.exclude(Exists(given.filter(verified=False)))
    ways = [proven, trusted]
    if app_settings.EMAIL_VERIFICATION != app_settings.EmailVerificationMethod.MANDATORY:
        ways.append(people)
    return next((found for way in ways if (found := list(way[:2]))), [])


def suggest(text: str, among: QuerySet[User] | None = None) -> QuerySet[User]:
    """Active people whose username, first or last name begins with each word. E-mail addresses are private."""
    words = text.replace("\0", " ").split()
    if len("".join(words)) < MIN_LETTERS:
        return User.objects.none()
    people = (User.objects.all() if among is None else among).filter(is_active=True)
    for word in words[:4]:
        begins = Q(username__istartswith=word) | Q(first_name__istartswith=word) | Q(last_name__istartswith=word)
        people = people.filter(begins)
    return people.order_by("username")[:MAX_SUGGESTIONS]


def may_search(user: User) -> bool:
    """Count a search; False above SEARCHES_PER_MINUTE, on all pages together."""
    return rate_limits.allowed("people", str(user.pk), SEARCHES_PER_MINUTE, 60)


def label(user: User) -> str:
    """Username and name of a person, because names are not unique."""
    return user.username if user.display_name == user.username else f"{user.display_name} ({user.username})"
