"""Fetch and authorise. Strangers: 404. Members without the right: 403 that names it. Anonymous: sign in."""

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest
from django.utils.translation import gettext, gettext_lazy

from portal.access import ForbiddenError, SignInRequiredError
from portal.models import User
from portal.ops import logs
from portal.prepared_queries import prepared

from .models import Collab, CollabQuerySet, Role

RIGHTS = {
    Role.VIEWER: gettext_lazy("Only members of this Collab may do this."),
    Role.EDITOR: gettext_lazy("This needs the role of an editor or administrator in this Collab."),
    Role.ADMINISTRATOR: gettext_lazy("This needs the role of an administrator in this Collab."),
}


def get_collab(request: HttpRequest, slug: str, need: Role | None = None) -> Collab:
    """The Collab, if the person may see it and has at least the role `need`.

    It has their `my_role` (a Role or None) and `is_favourite`.
    """
    user = request.user
    found = _seen(slug=slug, user=user.pk) if user.is_active and user.pk else _seen_by_visitors(slug=slug)
    collab: Collab | None = next(iter(found), None)
    if collab is None:
        raise Http404(gettext("No such Collab."))
    logs.add_context(collab_id=collab.pk)
    collab.my_role = Role(collab.my_role) if collab.my_role else None
    if need and not request.user.is_authenticated:
        raise SignInRequiredError
    if need and not (collab.my_role and collab.my_role.includes(need)):
        raise ForbiddenError(RIGHTS[need])
    return collab


@prepared
def _seen(slug: str, user: int) -> CollabQuerySet:
    me = User(pk=user)
    return Collab.objects.visible_to(me).with_role_of(me).with_favourite_of(me).filter(slug=slug)


@prepared
def _seen_by_visitors(slug: str) -> CollabQuerySet:
    visitor = AnonymousUser()
    return Collab.objects.visible_to(visitor).with_role_of(visitor).with_favourite_of(visitor).filter(slug=slug)
