"""Accounts of people in the directory: made at the first sign-in, opened again when a person comes back to it."""

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from portal import audit, hooks, usernames
from portal.accounts import services
from portal.models import DirectoryAccount, User

from .entry import Entry
from .settings import PROVIDER, of_site

TRIES = 5
"""Attempts to create an account when somebody else takes the username at the same moment."""


def signed_in(entry: Entry, groups: list[str]) -> User | None:
    """Account of a person whose password was right; None if it is closed, or new ones are not to be made (SIGNUP)."""
    with transaction.atomic():
        row = _of(entry)
        if row is None:
            row = _create(entry) if settings.SIGNUP != "closed" else None
        if row is None:
            return None
        if row.gone_at and not row.user.is_active:
            services.activate(None, row.user)
        if row.gone_at or row.absent_since or row.dn != entry.dn:
            DirectoryAccount.objects.filter(pk=row.pk).update(gone_at=None, absent_since=None, dn=entry.dn)
        if not row.user.is_active:
            return None
        if of_site().groups:
            hooks.run("provider_groups", user=row.user, provider=PROVIDER, names=groups)
    return row.user


def _of(entry: Entry) -> DirectoryAccount | None:
    return DirectoryAccount.objects.select_for_update(of=("self",)).filter(uid=entry.uid).first()


def _create(entry: Entry) -> DirectoryAccount:
    """Their account. If the same person signed in for the first time at the same moment, the one that was made then."""
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return _insert(entry)
        except IntegrityError:
            if row := _of(entry):
                return row
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
