"""Superusers of the site: operators with all rights, of whom one who is active always stays.

Without one nobody could give the rights back on the pages. So whatever takes an account or its rights away asks
`check_may_lose` first, which holds the rows of all superusers: of two who take them from each other at once, one stays.
The way back from outside is `manage.py make_superuser`.
"""

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from portal import audit
from portal.access import ForbiddenError
from portal.models import User

SUPERUSERS = Q(is_active=True, is_staff=True, is_superuser=True)
"""Whoever opens all pages of the administration: without `is_staff` a superuser sees none of them."""


def _is_one(user: User) -> bool:
    """As SUPERUSERS, of the row as it was read."""
    return user.is_active and user.is_staff and user.is_superuser


def check_may_lose(actor: User | None, user: User, *, leaving: bool = False) -> None:
    """Refuse to take account or rights from oneself, or from the last superuser: ValidationError says which.

    Until the transaction ends, the rows of all superusers and of `user` are held, in the order of their keys; so call
    it before the transaction changes one of them. Who deletes their own account is `leaving`.
    """
    if actor == user and not leaving:
        raise ValidationError("You cannot deactivate your own account or take away its rights. Another superuser can.")
    # Rows that another transaction changes are waited for, and read as it left them. `no_key`: who writes rows that
    # only point at these people goes on meanwhile.
    rows = User.objects.select_for_update(no_key=True).filter(SUPERUSERS | Q(pk=user.pk)).order_by("pk")
    superusers = {row.pk for row in rows if _is_one(row)}
    if actor and not leaving and _is_one(actor) and actor.pk not in superusers:
        raise ValidationError("You are no superuser any more.")
    if superusers == {user.pk}:
        said = gettext("%(username)s is the only active superuser of this site. Make somebody else a superuser first.")
        raise ValidationError(said % {"username": user.username})


@transaction.atomic
def change_rights(actor: User | None, user: User, *, is_staff: bool, is_superuser: bool) -> bool:
    """Give or take the rights of an operator and of a superuser; False if they are these already.

    ForbiddenError for an actor who is no superuser; ValidationError as `check_may_lose`.
    """
    if actor and not actor.is_superuser:
        raise ForbiddenError("Only superusers give or take the rights of operators.")
    if not (is_staff and is_superuser):
        check_may_lose(actor, user)
    wanted = {"is_staff": is_staff, "is_superuser": is_superuser}
    user.is_staff, user.is_superuser = is_staff, is_superuser
    if not User.objects.filter(pk=user.pk).exclude(**wanted).update(**wanted):
        return False
    audit.record(actor, "account.rights.changed", user, staff=is_staff, superuser=is_superuser)
    return True


@transaction.atomic
def create(username: str, email: str, password: str) -> User:
    """A new account with all rights, for a site that has nobody to make one on its pages.

    Its address counts as confirmed: where that is mandatory, nobody could sign in to give a real one.
    """
    user = User.objects.create_superuser(username, email, password)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    audit.record(None, "account.created", user, superuser=True)
    return user


@transaction.atomic
def confirm_address(user: User, email: str) -> None:
    """Have `email` count as the account's confirmed address. ValidationError if it is somebody else's."""
    others = EmailAddress.objects.filter(email__iexact=email, verified=True).exclude(user=user)
    if others.exists():
        raise ValidationError(f"{email} is the address of another account.")
    address, _created = EmailAddress.objects.get_or_create(user=user, email=email.lower())
    address.verified = True
    address.save()
    address.set_as_primary()
    user.email = address.email
    audit.record(None, "account.address.confirmed", user)
