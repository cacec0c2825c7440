"""Invitations to a Collab: by e-mail, to an address that may have no account yet, or by a link for whoever has it.

Both are a random token, of which only the digest is stored, with a role, an expiry date and a number of uses. One by
e-mail is used once; the owner of the confirmed address finds it on the home page too, without the e-mail.
"""

import secrets
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from notices.models import Kind
from notices.services import notify
from portal import audit
from portal.digest import digest
from portal.models import User
from portal.ops import task_queue
from portal.prepared_queries import prepared
from portal.web import rate_limits

from .models import Collab, Invitation, Membership, Role
from .services import add_member, change_role, lock

TOKEN_BYTES = 32
MAX_DAYS = 365
MAX_USES = 1000
MAX_OPEN = 500
"""Open invitations of one Collab; mails are sent in its name."""
MAILS_PER_DAY = 200
"""Invitations by e-mail that one person may send."""
AT_HOME = 6
"""Invitations on a person's home page."""
WRONG_TOKENS_PER_HOUR = 30
"""Tokens of no invitation that may be tried from one network address."""


class UnusableInvitationError(ValidationError):
    """The invitation was used up, revoked or has expired; the text says which."""


def find(token: str) -> Invitation | None:
    """The invitation with this token, usable or not; None if there is none or its Collab was deleted."""
    rows = Invitation.objects.filter(digest=digest(token), collab__deleted_at=None)
    return rows.select_related("collab", "created_by").first()


def waiting_for(user: User, now: datetime | None = None) -> QuerySet[Invitation]:
    """Open invitations to the person's confirmed addresses, except to Collabs that they are members of."""
    mine = EmailAddress.objects.filter(user=user, verified=True).values("email")
    rows = Invitation.objects.open(now).filter(email__in=mine, collab__deleted_at=None)
    return rows.exclude(collab__memberships__user=user).select_related("collab", "created_by")


def first_waiting(user: User) -> list[Invitation]:
    """The newest of `waiting_for`, for the home page."""
    return _first_waiting(user=user.pk, now=timezone.now())


@prepared
def _first_waiting(user: int, now: datetime) -> QuerySet[Invitation]:
    return waiting_for(User(pk=user), now)[:AT_HOME]


@transaction.atomic
def invite_by_link(actor: User, collab: Collab, role: Role, *, days: int = 14, uses: int = 1) -> tuple[Invitation, str]:
    """Create an invitation by link, for whoever has it; returns it with its token, which is not stored."""
    if not 1 <= uses <= MAX_USES:
        raise ValidationError(gettext("A link can have 1 to %(max_uses)s uses.") % {"max_uses": MAX_USES})
    return _invite(actor, collab, role, days, uses, "")


@transaction.atomic
def invite_by_mail(actor: User, collab: Collab, email: str, role: Role, *, days: int = 14) -> Invitation:
    """Send an invitation to an e-mail address. It replaces an earlier one to the same address."""
    email = email.strip().lower()
    validate_email(email)
    for earlier in Invitation.objects.open().filter(collab=collab, email=email):
        revoke(actor, earlier)
    invitation, token = _invite(actor, collab, role, days, 1, email)
    owners = User.objects.filter(emailaddress__email=email, emailaddress__verified=True)
    subject = format_lazy(gettext_lazy("{actor} invites you to “{collab}”"), actor=actor.display_name, collab=collab)
    text = gettext_lazy("Accept or decline it on your home page.")
    notify(owners, Kind.INVITED, subject=subject, text=text, url=reverse("home"))
    task_queue.enqueue("collabs.tasks.mail_invitation", invitation.pk, token)
    return invitation


def may_mail(actor: User) -> bool:
    """Count an invitation by e-mail; False above MAILS_PER_DAY."""
    return rate_limits.allowed("invitation-mail", str(actor.pk), MAILS_PER_DAY, 24 * 3600)


def _invite(actor: User, collab: Collab, role: Role, days: int, uses: int, email: str) -> tuple[Invitation, str]:
    row = lock(collab)
    if row.deleted_at:
        raise ValidationError(gettext("This Collab was deleted."))
    if not 1 <= days <= MAX_DAYS:
        raise ValidationError(
            gettext("An invitation can be valid for 1 to %(max_days)s days.") % {"max_days": MAX_DAYS}
        )
    if Invitation.objects.open().filter(collab=row).count() >= MAX_OPEN:
        raise ValidationError(gettext("There are too many open invitations. Withdraw some first."))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation = Invitation.objects.create(
        collab=row,
        role=role,
        email=email,
        digest=digest(token),
        uses_left=uses,
        expires_at=timezone.now() + timedelta(days=days),
        created_by=actor,
    )
    audit.record(actor, "collab.invitation.made", row, invitation=invitation.pk, role=role, email=email, uses=uses)
    return invitation, token


@transaction.atomic
def revoke(actor: User, invitation: Invitation) -> None:
    """Revoke an invitation; people who joined by it stay members."""
    open_one = Invitation.objects.filter(pk=invitation.pk, revoked_at=None)
    if open_one.update(revoked_at=timezone.now()):
        audit.record(actor, "collab.invitation.revoked", invitation.collab, invitation=invitation.pk)


@transaction.atomic
def accept(user: User, invitation: Invitation) -> Collab:
    """Join the Collab; a member gets the higher of both roles, and uses nothing up if they have it already.

    UnusableInvitationError if it was used up or revoked, or has expired.
    """
    collab = lock(invitation.collab)
    role = Role(invitation.role)
    membership = Membership.objects.filter(collab=collab, user=user).first()
    if membership and Role(membership.role).includes(role):
        return collab
    usable = Invitation.objects.open().filter(pk=invitation.pk, collab__deleted_at=None)
    if not usable.update(uses_left=F("uses_left") - 1):
        invitation.refresh_from_db()
        raise UnusableInvitationError(invitation.why_closed or gettext("This invitation can no longer be used."))
    audit.record(user, "collab.invitation.accepted", collab, invitation=invitation.pk, role=role)
    if invitation.created_by:
        said = gettext_lazy("{person} accepted your invitation to “{collab}”")
        subject = format_lazy(said, person=user.display_name, collab=collab)
        notify([invitation.created_by], Kind.REQUEST, subject=subject, url=reverse("collabs:team", args=[collab.slug]))
    if membership:
        change_role(user, collab, user, role)
    else:
        add_member(user, collab, user, role)
    return collab


@transaction.atomic
def decline(user: User, invitation: Invitation) -> None:
    """Decline an invitation by e-mail."""
    if waiting_for(user).filter(pk=invitation.pk).exists():
        Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())
        audit.record(user, "collab.invitation.declined", invitation.collab, invitation=invitation.pk)
