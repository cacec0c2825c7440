"""Who may ask for rooms from the portal's own origin: whoever is signed in, from a page of the portal."""

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import User

pytestmark = pytest.mark.django_db

PORTAL = {"Origin": "http://localhost:8000"}


def test_it_names_the_person_and_the_session(owner: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(owner)
    answer = client.get("/_gateway/rooms/portal", headers=PORTAL)
    assert answer.status_code == 204
    assert answer["X-Rooms-Person"] == str(owner.pk)
    assert answer["X-Rooms-Grant"] == f"session {client.session.session_key}"


def test_it_names_nobody_who_is_signed_out() -> None:
    assert Client().get("/_gateway/rooms/portal", headers=PORTAL).status_code == 401


@pytest.mark.parametrize(
    "origin", ["", "null", "http://owner.lab.localhost:8000", "http://localhost", "https://localhost:8000"]
)
def test_no_other_sites_page_opens_a_websocket_with_somebodys_cookie(
    owner: User, sign_in: Callable[[User], Client], origin: str
) -> None:
    client = sign_in(owner)
    assert client.get("/_gateway/rooms/portal", headers={"Origin": origin}).status_code == 403
    assert client.get("/_gateway/rooms/portal").status_code == 403
