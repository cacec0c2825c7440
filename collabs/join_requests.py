"""Requests to join a public Collab, and the administrators' answers."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from notices.models import Kind
from notices.services import notify
from portal import audit
from portal.models import User
from portal.web import rate_limits

from .models import Collab, JoinRequest, Role
from .services import add_member, administrators, lock

REQUESTS_PER_DAY = 20
"""Of one person; administrators get a message for each."""


@transaction.atomic
def ask(user: User, collab: Collab, note: str = "") -> JoinRequest:
    """Ask to join. ValidationError for members, for private Collabs, and while a request is open."""
    row = lock(collab)
    if row.deleted_at or not row.is_public:
        raise ValidationError(gettext("You can only ask to join public Collabs."))
    if row.role_of(user):
        raise ValidationError(gettext("You are already a member."))
    if not rate_limits.allowed("join-request", str(user.pk), REQUESTS_PER_DAY, 24 * 3600):
        raise ValidationError(gettext("Too many requests today. Please try again tomorrow."))
    try:
        with transaction.atomic():
            request = JoinRequest.objects.create(collab=row, user=user, note=note)
    except IntegrityError as error:
        raise ValidationError(gettext("You have already asked to join. An administrator will answer.")) from error
    audit.record(user, "collab.request.made", row)
    notify(
        administrators(row),
        Kind.REQUEST,
        subject=format_lazy(gettext_lazy("{person} asks to join “{collab}”"), person=user.display_name, collab=row),
        text=note,
        url=reverse("collabs:requests", args=[row.slug]),
    )
    return request


@transaction.atomic
def withdraw(user: User, request: JoinRequest) -> None:
    """Withdraw an open request."""
    JoinRequest.objects.filter(pk=request.pk, user=user, decided_at=None).delete()


@transaction.atomic
def approve(actor: User, request: JoinRequest, role: Role) -> None:
    """Approve: add the person with this role. `add_member` notifies them."""
    collab = lock(request.collab)
    _decide(actor, request, approved=True)
    if not collab.memberships.filter(user=request.user).exists():
        add_member(actor, collab, request.user, role)


@transaction.atomic
def decline(actor: User, request: JoinRequest, answer: str = "") -> None:
    """Decline a request; the person gets a notice with the reason."""
    _decide(actor, request, approved=False)
    subject = format_lazy(gettext_lazy("Your request to join “{collab}” was declined"), collab=request.collab)
    notify([request.user], Kind.REQUEST, subject=subject, text=answer, url=request.collab.get_absolute_url())


def _decide(actor: User, request: JoinRequest, *, approved: bool) -> None:
    """Record the answer. Race: of two administrators who answer at once, the second gets a ValidationError."""
    undecided = JoinRequest.objects.filter(pk=request.pk, decided_at=None)
    if not undecided.update(decided_at=timezone.now(), decided_by=actor, approved=approved):
        raise ValidationError(gettext("This request has already been answered or withdrawn."))
    verb = "collab.request.approved" if approved else "collab.request.declined"
    audit.record(actor, verb, request.collab, user=request.user.username)
