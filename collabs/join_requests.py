"""Asking to join a public Collab, and the administrators' answer."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from notices.models import Kind
from notices.services import tell
from portal import audit, limits
from portal.models import User

from .models import Collab, JoinRequest, Role
from .services import add_member, administrators, lock

A_DAY = 20
"""So many requests of one person a day: administrators get a mail for each."""


@transaction.atomic
def ask(user: User, collab: Collab, note: str = "") -> JoinRequest:
    """Ask to become a member. ValidationError for members, for private Collabs, and while a request is open."""
    row = lock(collab)
    if row.deleted_at or not row.is_public:
        raise ValidationError("One can ask to join public Collabs only.")
    if row.role_of(user):
        raise ValidationError("You are a member already.")
    if not limits.allowed("join-request", str(user.pk), A_DAY, 24 * 3600):
        raise ValidationError("That were many requests for one day. Please go on tomorrow.")
    try:
        with transaction.atomic():
            request = JoinRequest.objects.create(collab=row, user=user, note=note)
    except IntegrityError as error:
        raise ValidationError("You have asked already; an administrator will answer.") from error
    audit.record(user, "collab.request.made", row)
    tell(
        administrators(row),
        Kind.REQUEST,
        subject=f"{user.display_name} asks to join “{row}”",
        text=note,
        url=reverse("collabs:requests", args=[row.slug]),
    )
    return request


@transaction.atomic
def withdraw(user: User, request: JoinRequest) -> None:
    """Ask no longer."""
    JoinRequest.objects.filter(pk=request.pk, user=user, decided_at=None).delete()


@transaction.atomic
def approve(actor: User, request: JoinRequest, role: Role) -> None:
    """Let the person in; `add_member` tells them."""
    collab = lock(request.collab)
    _decide(actor, request, approved=True)
    if not collab.memberships.filter(user=request.user).exists():
        add_member(actor, collab, request.user, role)


@transaction.atomic
def decline(actor: User, request: JoinRequest, answer: str = "") -> None:
    """Say no, with a word why."""
    _decide(actor, request, approved=False)
    subject = f"Your request to join “{request.collab}” was declined"
    tell([request.user], Kind.REQUEST, subject=subject, text=answer, url=request.collab.get_absolute_url())


def _decide(actor: User, request: JoinRequest, *, approved: bool) -> None:
    """Of two administrators who answer at once, one does. ValidationError for the other."""
    undecided = JoinRequest.objects.filter(pk=request.pk, decided_at=None)
    if not undecided.update(decided_at=timezone.now(), decided_by=actor, approved=approved):
        raise ValidationError("This request has been answered or withdrawn.")
    verb = "collab.request.approved" if approved else "collab.request.declined"
    audit.record(actor, verb, request.collab, user=request.user.username)
