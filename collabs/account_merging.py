"""Roles and favourites of an account that becomes part of another."""

from portal.models import User

from . import services
from .models import Favourite, JoinRequest, Membership, Role


def merge(actor: User | None, source: User, target: User) -> list[str]:
    """Give `target` the higher role of both, first: no Collab loses its last administrator. Withdraw open requests."""
    done = []
    memberships = Membership.objects.filter(user=source, collab__deleted_at=None).select_related("collab")
    for membership in memberships.order_by("collab__slug"):
        collab, role = membership.collab, Role(membership.role)
        there = Membership.objects.filter(collab=collab, user=target).first()
        if there is None:
            services.add_member(actor, collab, target, role)
            done.append(f"{role.value} of the Collab {collab.slug}")
        elif not Role(there.role).includes(role):
            services.change_role(actor, collab, target, role)
            done.append(f"{role.value} instead of {there.role} of the Collab {collab.slug}")
        services.remove_member(actor, collab, source)
    JoinRequest.objects.filter(user=source, decided_at=None).delete()
    own = Favourite.objects.filter(user=target).values("collab")
    Favourite.objects.filter(user=source).exclude(collab__in=list(own.values_list("collab", flat=True))).update(
        user=target
    )
    return done
