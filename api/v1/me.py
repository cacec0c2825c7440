"""Whose token or session a request comes with."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from api.access import credentials
from api.models import Scope
from portal.access import person

from .schemas import MeOut, route

router = Router(tags=["Me"])


@router.get("/me", **route(Scope.READ, {200: MeOut}))
def me(request: HttpRequest) -> Any:
    """Whose token this is, and what it allows."""
    user, given = person(request), credentials(request)
    scopes = [Scope(name) for name in given.token.scope_names] if given and given.token else list(Scope)
    return MeOut(username=user.username, name=user.display_name, id=user.uuid, email=user.email, scopes=scopes)
