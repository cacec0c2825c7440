"""Accounts of people in the directory: made at the first sign-in, closed when the person is gone from it."""

import logging

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit, hooks, usernames
from portal.accounts import services
from portal.models import DirectoryAccount, User

from .client import Directory, Entry
from .settings import of_site

log = logging.getLogger(__name__)

PROVIDER = "ldap"
"""Of groups that follow the directory's: `ldap:cortex`."""
TRIES = 5
"""Attempts to create an account when somebody else takes the username at the same moment."""
FEW, MANY = 5, 0.5
"""More than FEW people gone, and this share of all, are believed to be a fault of the directory or the settings."""


def signed_in(entry: Entry, groups: list[str]) -> User | None:
    """Account of a person whose password was right; None if it is closed, or new ones are not to be made (SIGNUP)."""
    with transaction.atomic():
        row = DirectoryAccount.objects.select_for_update(of=("self",)).filter(uid=entry.uid).first()
        if row is None:
            row = _create(entry) if settings.SIGNUP != "closed" else None
        if row is None:
            return None
        if row.gone_at and not row.user.is_active:
            services.activate(None, row.user)
        if row.gone_at or row.dn != entry.dn:
            DirectoryAccount.objects.filter(pk=row.pk).update(gone_at=None, dn=entry.dn)
        if not row.user.is_active:
            return None
        if of_site().groups:
            hooks.run("provider_groups", user=row.user, provider=PROVIDER, names=groups)
    return row.user


def _create(entry: Entry) -> DirectoryAccount:
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return _insert(entry)
        except IntegrityError:
            if attempt == TRIES:
                raise
    raise AssertionError


def _insert(entry: Entry) -> DirectoryAccount:
    first, last = User._meta.get_field("first_name").max_length, User._meta.get_field("last_name").max_length
    names = {"first_name": entry.first_name[:first], "last_name": entry.last_name[:last]}
    user = User(username=_username(entry), email=_free_address(entry), **names)
    user.set_unusable_password()
    user.save()
    if user.email:
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    audit.record(user, "account.created", user, provider=PROVIDER)
    return DirectoryAccount.objects.create(user=user, uid=entry.uid, dn=entry.dn)


def _username(entry: Entry) -> str:
    name = entry.username.lower()
    try:
        usernames.validate_username(name)
    except ValidationError:
        name = ""
    texts = [entry.username, entry.email.partition("@")[0], f"{entry.first_name} {entry.last_name}", "person"]
    wanted = name or usernames.suggest(texts)
    taken = set(User.objects.filter(username__startswith=wanted[:20]).values_list("username", flat=True))
    return usernames.first_free(wanted, taken)


def _free_address(entry: Entry) -> str:
    """The directory's address, unless it is none, or somebody's here: then the person gives one."""
    address = entry.email.lower()
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return "" if EmailAddress.objects.filter(email__iexact=address).exists() else address


def follow() -> int:
    """Deactivate the accounts of people who are gone from the directory; returns how many. DirectoryAwayError.

    Nothing is done where so many are gone that the directory, or a setting, must be wrong.
    """
    directory = Directory(of_site())
    rows = list(DirectoryAccount.objects.filter(user__is_active=True, gone_at=None).select_related("user"))
    gone = [row for row in rows if not directory.by_uid(row.uid)]
    if len(gone) > max(FEW, MANY * len(rows)):
        log.error("%s of %s people are gone from the directory at once: nobody is deactivated", len(gone), len(rows))
        return 0
    return sum(_close(row) for row in gone)


@transaction.atomic
def _close(row: DirectoryAccount) -> bool:
    try:
        with transaction.atomic():
            closed = services.deactivate(None, row.user)
    except ValidationError as error:  # the last superuser
        log.error("%s is gone from the directory and stays active: %s", row.user.username, " ".join(error.messages))  # noqa: TRY400 - told as it is
        return False
    DirectoryAccount.objects.filter(pk=row.pk).update(gone_at=timezone.now())
    return closed
