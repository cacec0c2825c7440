"""Deletion of an account: the person's Collabs and memberships."""

from typing import Any

from django.utils.translation import gettext

from portal.accounts.deletion import Belonging
from portal.models import User

from . import services
from .models import Collab, Favourite, Invitation, JoinRequest, Membership, Role

DELETE = "delete"
MOST_NAMED = 50


def belongings(user: User) -> list[Belonging]:
    """Collabs whose only administrator the person is: somebody else takes over, or the Collab is deleted."""
    text = gettext("You are the only administrator of this Collab.")
    return [Belonging(_key(collab), collab.title, text, _choices(collab, user)) for collab in _alone(user)]


def _alone(user: User) -> list[Collab]:
    mine = Membership.objects.filter(user=user, role=Role.ADMINISTRATOR).values("collab")
    others = Membership.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).exclude(user=user)
    return list(Collab.objects.filter(pk__in=mine).exclude(pk__in=others.values("collab")))


def _key(collab: Collab) -> str:
    return f"collab-{collab.pk}"


def _choices(collab: Collab, user: User) -> list[tuple[str, str]]:
    members = collab.memberships.filter(user__is_active=True).exclude(user=user).select_related("user")
    people = [member.user for member in members[:MOST_NAMED]]
    return [
        (DELETE, gettext("Delete it; its members lose its page and its files")),
        *(
            (
                person.username,
                gettext("%(display_name)s (%(username)s) becomes administrator")
                % {"display_name": person.display_name, "username": person.username},
            )
            for person in people
        ),
    ]


def leave(user: User, answers: dict[str, str]) -> None:
    """Hand over or delete each as answered, then leave all teams and withdraw open requests."""
    for collab in _alone(user):
        answer = answers[_key(collab)]
        if answer == DELETE:
            services.delete_collab(user, collab)
        else:
            services.change_role(user, collab, User.objects.get(username=answer), Role.ADMINISTRATOR)
    for collab in Collab.objects.filter(memberships__user=user):
        services.leave(user, collab)
    user.join_requests.filter(decided_at=None).delete()


def export(user: User) -> dict[str, Any]:
    """Memberships, invitations and requests, for the export of a person's data."""
    rows = Membership.objects.filter(user=user).values("collab__slug", "collab__title", "role", "since")
    columns = ("collab__slug", "role", "email", "created_at", "expires_at", "mailed_at", "revoked_at")
    invitations = Invitation.objects.filter(created_by=user).values(*columns)
    requests = JoinRequest.objects.filter(user=user).values(
        "collab__slug", "note", "created_at", "decided_at", "approved"
    )
    favourites = Favourite.objects.filter(user=user).values_list("collab__slug", flat=True)
    invited = {"invitations that I made": list(invitations), "requests to join": list(requests)}
    return {"collabs.json": list(rows), "invitations.json": invited | {"favourites": list(favourites)}}
