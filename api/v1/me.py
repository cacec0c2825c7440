"""The person of a token or session."""

from typing import Any

from django.http import HttpRequest

from api.access import OpenIdToken, credentials
from api.models import Scope
from api.routing import StrictRouter
from portal.access import person

from .schemas import MeOut, route

router = StrictRouter(tags=["Me"])


@router.get("/me", **route(Scope.READ, {200: MeOut}))
def me(request: HttpRequest) -> Any:
    """Get your own account and the scopes of the token."""
    user, given = person(request), credentials(request)
    token = given.token if given else None
    scopes = [Scope(name) for name in token.scope_names] if token else list(Scope)
    email = "" if isinstance(token, OpenIdToken) and not token.has("email") else user.email
    return MeOut(username=user.username, name=user.display_name, id=user.uuid, email=email, scopes=scopes)
