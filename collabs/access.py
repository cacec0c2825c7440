"""Fetch and authorise. Strangers: 404. Members without the right: 403 that names it. Anonymous: sign in."""

from django.http import Http404, HttpRequest

from portal.access import ForbiddenError, SignInRequiredError
from portal.ops import logs

from .models import Collab, Role

RIGHTS = {
    Role.VIEWER: "Only members of this Collab may do this.",
    Role.EDITOR: "This needs the role of an editor or administrator in this Collab.",
    Role.ADMINISTRATOR: "This needs the role of an administrator in this Collab.",
}


def get_collab(request: HttpRequest, slug: str, need: Role | None = None) -> Collab:
    """The Collab, if the person may see it and has at least the role `need`.

    It has their `my_role` (a Role or None) and `is_favourite`.
    """
    seen = Collab.objects.visible_to(request.user).with_role_of(request.user).with_favourite_of(request.user)
    collab = seen.filter(slug=slug).first()
    if collab is None:
        raise Http404("No such Collab.")
    logs.add_context(collab_id=collab.pk)
    collab.my_role = Role(collab.my_role) if collab.my_role else None
    if need and not request.user.is_authenticated:
        raise SignInRequiredError
    if need and not (collab.my_role and collab.my_role.includes(need)):
        raise ForbiddenError(RIGHTS[need])
    return collab
