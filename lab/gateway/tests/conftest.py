"""The owner's browser before the gateway."""

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import User

from .support import Browser


@pytest.fixture
def browser(owner: User, sign_in: Callable[[User], Client]) -> Browser:
    return Browser(sign_in(owner))
