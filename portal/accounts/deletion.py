"""Account deletion, and export of personal data.

A person's belongings are in several apps, which report them through hooks: for each Collab that would lose its last
administrator and each library that others see, the person decides what happens to it. Nothing is decided silently.

The row of the account stays, emptied: its username is part of addresses and is never reused, and the audit trail keeps
the person's actions under that name.
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
from django.utils.translation import gettext

from portal import audit, hooks
from portal.models import AuditEntry, DirectoryAccount, User

from . import services, superusers


@dataclass(frozen=True)
class Belonging:
    """Collab or library about which a person who deletes the account must decide."""

    key: str
    """Name of the form field, such as `collab-12`."""
    title: str
    text: str
    choices: list[tuple[str, str]]
    """Possible answers with labels; none is preselected."""


def belongings(user: User) -> list[Belonging]:
    """Belongings of a person, from all apps."""
    return [each for found in hooks.collect("account_leaving", user=user) for each in found]


@transaction.atomic
def delete_account(user: User, answers: dict[str, str]) -> None:
    """Carry out the answers and empty the account.

    ValidationError if one is missing or no longer possible, and for the last superuser of the site.
    """
    superusers.check_may_lose(user, user, leaving=True)
    for belonging in belongings(user):
        if answers.get(belonging.key) not in dict(belonging.choices):
            raise ValidationError(gettext("Choose what happens to “%(title)s”.") % {"title": belonging.title})
    hooks.run("account_left", user=user, answers=answers)
    services.deactivate(user, user, leaving=True)
    audit.record(user, "account.deleted", user)
    for rows in (EmailAddress, Authenticator, UserSession, SocialAccount, DirectoryAccount):
        rows.objects.filter(user=user).delete()
    user.first_name = user.last_name = user.email = ""
    user.deleted_at = timezone.now()
    user.set_unusable_password()
    user.is_staff = user.is_superuser = False
    user.save()


def export(user: User) -> dict[str, Any]:
    """Export of the account's own data, by file name."""
    names = "username first_name last_name date_joined uuid language terms_version terms_accepted_at"
    account = {name: getattr(user, name) for name in names.split()}
    addresses = EmailAddress.objects.filter(user=user).values("email", "verified", "primary")
    elsewhere = SocialAccount.objects.filter(user=user).values("provider", "uid", "date_joined", "extra_data")
    did = AuditEntry.objects.filter(actor=user).values("at", "verb", "target_name", "details")
    directory = DirectoryAccount.objects.filter(user=user).values("uid", "dn", "since")
    sessions = UserSession.objects.filter(user=user).values("created_at", "last_seen_at", "ip", "user_agent")
    factors = Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")
    account |= {"email": list(addresses), "signs in with": list(elsewhere), "directory": list(directory)}
    account |= {"sessions": list(sessions), "second factors": list(factors)}
    return {"account.json": account, "what-i-did.json": list(did)}
