"""Account changes: create, change, deactivate, activate, remove second factor, sign out."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from portal import audit, hooks
from portal.access import send_access_changed
from portal.models import DirectoryAccount, Session, User

from . import superusers


@transaction.atomic
def create(
    actor: User | None,
    username: str,
    *,
    email: str,
    first_name: str = "",
    last_name: str = "",
    password: str | None = None,
) -> User:
    """A new account whose address counts as confirmed. ValidationError for a name or address that is taken or invalid.

    Without a password the person makes one with “Forgot your password?”, which proves that the address is theirs.
    """
    user = User(username=username, email=email.lower(), first_name=first_name, last_name=last_name)
    user.set_password(password)
    user.full_clean()
    check_address(user, user.email)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    audit.record(actor, "account.created", user)
    return user


def check_address(user: User, email: str) -> None:
    """ValidationError if `email` is empty or the confirmed address of another account."""
    if not email:
        raise ValidationError({"email": "An account needs an e-mail address."})
    if EmailAddress.objects.filter(email__iexact=email, verified=True).exclude(user=user.pk).exists():
        raise ValidationError({"email": f"{email} is the address of another account."})


@transaction.atomic
def change(actor: User | None, user: User, **values: str) -> bool:
    """Change `email`, which then counts as confirmed, `first_name` and `last_name`; False if they are these already."""
    changed = sorted(name for name, value in values.items() if getattr(user, name) != value)
    if not changed:
        return False
    for name in changed:
        setattr(user, name, values[name])
    user.full_clean()
    if "email" in changed:
        check_address(user, user.email)
        address, _created = EmailAddress.objects.get_or_create(user=user, email=user.email)
        EmailAddress.objects.filter(pk=address.pk).update(verified=True)
        address.set_as_primary()
    user.save(update_fields=changed)
    audit.record(actor, "account.changed", user, fields=changed)
    return True


@transaction.atomic
def deactivate(actor: User | None, user: User, *, leaving: bool = False) -> bool:
    """Deactivate an account: access to pages, files and the running server ends at once; nothing is deleted.

    False if it was done before. ValidationError for the last superuser and, unless they are `leaving`, oneself.

    The authentication backend checks `is_active` on every request anyway; ending the sessions keeps an account that is
    activated again from coming back signed in.
    Deliberately possible for the last administrator of a Collab: safety first; an operator gives the Collab a new one.
    """
    superusers.check_may_lose(actor, user, leaving=leaving)
    _decide(user)
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        return False
    user.is_active = False
    Session.objects.filter(user=user).delete()
    audit.record(actor, "account.deactivated", user)
    hooks.run("user_deactivated", actor=actor, user=user)
    send_access_changed([user.pk])
    return True


@transaction.atomic
def activate(actor: User | None, user: User) -> bool:
    """Activate an account again, with its former access; False if it is active, or deleted, which it stays."""
    _decide(user)
    if not User.objects.filter(pk=user.pk, is_active=False, deleted_at=None).update(is_active=True):
        return False
    user.is_active = True
    audit.record(actor, "account.activated", user)
    send_access_changed([user.pk])
    return True


def _decide(user: User) -> None:
    """Whether the person is gone from the directory decides no more about the account: coming back does not open it."""
    DirectoryAccount.objects.filter(user=user).exclude(gone_at=None).update(gone_at=None)


@transaction.atomic
def set_password(actor: User | None, user: User, password: str) -> None:
    """Give an account another password; its sessions end, as they do whenever it changes."""
    user.set_password(password)
    user.save(update_fields=["password"])
    Session.objects.filter(user=user).delete()
    audit.record(actor, "account.password.set", user)


@transaction.atomic
def forget_second_factor(actor: User | None, user: User) -> bool:
    """Remove a lost second factor and end the person's sessions; False if there was none."""
    count, _ = Authenticator.objects.filter(user=user).delete()
    if count:
        audit.record(actor, "account.second-factor.forgotten", user)
        Session.objects.filter(user=user).delete()
        hooks.run("signed_out_everywhere", user=user)
    return bool(count)


def signed_out(user: User) -> None:
    """Run the `signed_out` hooks if the session that ended was the person's last."""
    if not Session.objects.filter(user=user, expire_date__gt=timezone.now()).exists():
        hooks.run("signed_out", user=user)
