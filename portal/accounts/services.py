"""Changes to accounts."""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from portal import audit, hooks
from portal.access import send_access_changed
from portal.models import Session, User


@transaction.atomic
def deactivate(actor: User | None, user: User) -> None:
    """Take everything from a person at once: pages, files, running server. Nothing of theirs is deleted.

    The authentication backend asks `is_active` on every request anyway; ending the sessions keeps an account that is
    activated again from coming back signed in.
    Deliberately possible for the last administrator of a Collab: safety first; an operator gives the Collab a new one.
    """
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        return
    user.is_active = False
    Session.objects.filter(user=user).delete()
    audit.record(actor, "account.deactivated", user)
    hooks.run("user_deactivated", actor=actor, user=user)
    send_access_changed([user.pk])


@transaction.atomic
def activate(actor: User | None, user: User) -> None:
    """Give a person back what they had; an account that its person deleted is empty, and stays so."""
    if not User.objects.filter(pk=user.pk, is_active=False, deleted_at=None).update(is_active=True):
        return
    user.is_active = True
    audit.record(actor, "account.activated", user)
    send_access_changed([user.pk])


@transaction.atomic
def forget_second_factor(actor: User, user: User) -> bool:
    """For somebody who lost it: the password alone is enough until they set up another. False when there was none."""
    count, _ = Authenticator.objects.filter(user=user).delete()
    if count:
        audit.record(actor, "account.second-factor.forgotten", user)
        Session.objects.filter(user=user).delete()
    return bool(count)


def signed_out(user: User) -> None:
    """A session of the person has ended; when it was the last, say so to whoever wants to know."""
    if not Session.objects.filter(user=user, expire_date__gt=timezone.now()).exists():
        hooks.run("signed_out", user=user)
