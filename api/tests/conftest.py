"""Programs: `program(user)` sends requests with a token of the person's."""

from collections.abc import Callable

import pytest
from django.test import Client

from api.models import Scope
from api.services import create_token
from portal.models import User

Program = Callable[..., Client]


@pytest.fixture
def program() -> Program:
    """A client with a new token of a person's; all scopes unless some are named."""

    def make(user: User, *scopes: Scope) -> Client:
        _token, secret = create_token(user, name="test", scopes=scopes or tuple(Scope), days=1)
        return Client(headers={"Authorization": f"Bearer {secret}"})

    return make
