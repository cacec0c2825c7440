"""Deleting one's account, and taking one's data along.

What belongs to a person is of several apps, which say so through hooks: each Collab that would lose its last
administrator and each library that others see asks what shall become of it. Nothing is decided silently.

The row of the account stays, emptied: its username is part of addresses and is never given to somebody else, and what
the person did stays in the record of who did what, under that name.
"""

from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from portal import audit, hooks
from portal.models import AuditEntry, User

from . import services


@dataclass(frozen=True)
class Belonging:
    """Something that asks what shall become of it."""

    key: str
    """The name of the answer, such as `collab-12`."""
    title: str
    text: str
    choices: list[tuple[str, str]]
    """Answers with what they mean; the first is not chosen for anybody."""


def belongings(user: User) -> list[Belonging]:
    """All that asks."""
    return [each for found in hooks.collect("account_leaving", user=user) for each in found]


@transaction.atomic
def delete_account(user: User, answers: dict[str, str]) -> None:
    """Carry out the answers, and empty the account. ValidationError where one is missing or no longer possible."""
    for belonging in belongings(user):
        if answers.get(belonging.key) not in dict(belonging.choices):
            raise ValidationError(f"Say what shall become of “{belonging.title}”.")
    hooks.run("account_left", user=user, answers=answers)
    services.deactivate(user, user)
    audit.record(user, "account.deleted", user)
    for rows in (EmailAddress, Authenticator, UserSession, SocialAccount):
        rows.objects.filter(user=user).delete()
    user.first_name = user.last_name = user.email = ""
    user.deleted_at = timezone.now()
    user.set_unusable_password()
    user.is_staff = user.is_superuser = False
    user.save()


def export(user: User) -> dict[str, Any]:
    """What the portal itself knows."""
    account = {name: getattr(user, name) for name in ("username", "first_name", "last_name", "date_joined", "uuid")}
    addresses = EmailAddress.objects.filter(user=user).values("email", "verified", "primary")
    elsewhere = SocialAccount.objects.filter(user=user).values("provider", "uid", "date_joined", "extra_data")
    did = AuditEntry.objects.filter(actor=user).values("at", "verb", "target_name", "details")
    account |= {"email": list(addresses), "signs in with": list(elsewhere)}
    return {"account.json": account, "what-i-did.json": list(did)}
