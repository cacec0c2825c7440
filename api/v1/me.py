"""The person of a token or session."""

from typing import Any

from django.http import HttpRequest

from api.access import credentials
from api.models import Scope
from api.routing import StrictRouter
from portal.access import person

from .schemas import MeOut, route

router = StrictRouter(tags=["Me"])


@router.get("/me", **route(Scope.READ, {200: MeOut}))
def me(request: HttpRequest) -> Any:
    """Get your own account and the scopes of the token."""
    user, given = person(request), credentials(request)
    scopes = [Scope(name) for name in given.token.scope_names] if given and given.token else list(Scope)
    return MeOut(username=user.username, name=user.display_name, id=user.uuid, email=user.email, scopes=scopes)
