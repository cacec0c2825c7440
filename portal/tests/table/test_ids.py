"""Ids of one thing under the address of another, ids of other people, and guessed invitations."""

import pytest
from django.core.cache import cache
from django.test import Client

from api.models import Scope, Token
from api.services import create_token
from collabs.models import Invitation
from drive.models import Share
from portal.models import User

from .people import World

pytestmark = pytest.mark.django_db


@pytest.mark.slow
def test_it_takes_no_id_of_one_collab_under_another(world: World, owner: User) -> None:
    """The administrator of both asks: only the address is wrong."""
    names, client = world.names, world.browser("administrator")
    wrong = [
        "/collabs/open-cortex/team/invitations/{invitation}/revoke/",
        "/collabs/cortex/team/requests/{request}/",
        "/collabs/open-cortex/team/groups/inner/remove/",
        "/groups/outer/people/ingroup/remove/",
        "/groups/outer/groups/inner/remove/",
        "/drive/links/{lib}/{link}/revoke/",
        "/drive/links/{open_lib}/{link}/revoke/",
    ]
    for address in wrong:
        assert client.post(address.format(**names)).status_code == 404, address
    upload = f"/drive/uploads/{names['open_lib']}/{names['upload']}"
    assert client.delete(upload, headers={"Tus-Resumable": "1.0.0"}).status_code == 404
    _token, secret = create_token(owner, name="all", scopes=list(Scope), days=1)
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    lib, other = f"/api/v1/libraries/{names['open_lib']}", f"/api/v1/libraries/{names['deleted']}"
    assert program.delete("/api/v1/collabs/open-cortex/invitations/{invitation}".format(**names)).status_code == 404
    for base in (lib, other):
        assert program.delete(f"{base}/shares/{names['share']}").status_code in (403, 404)
        assert program.get(f"{base}/versions/{names['version']}", {"path": "a.txt"}).status_code == 404
    assert Invitation.objects.get(pk=names["invitation"]).revoked_at is None
    assert Share.objects.filter(pk=names["share"]).exists()


@pytest.mark.slow
def test_it_opens_nothing_of_other_people_by_number(world: World, owner: User) -> None:
    client = world.browser("stranger")
    for address in (
        "/notices/{notice}/",
        "/account/tokens/{api_token}/revoke/",
        "/account/sessions/{session}/end/",
        "/account/services/{service}/revoke/",
        "/drive/shares/{share}/end/",
    ):
        assert client.post(address.format(**world.names)).status_code == 404
    client.post("/account/email/", {"action_remove": "", "email": owner.email})
    client.post("/account/email/", {"action_primary": "", "email": owner.email})
    owner.refresh_from_db()
    assert owner.email == "owner@example.org"
    assert not Token.objects.exclude(revoked_at=None).exists()


@pytest.mark.slow
def test_it_slows_the_guessing_of_invitations_at_every_door_together(world: World, owner: User) -> None:
    cache.clear()
    client = Client()
    answers = [client.get(f"/collabs/join/guess{number}/").status_code for number in range(31)]
    assert answers == [404] * 30 + [429]
    assert client.post("/collabs/join/guess/").status_code == 429
    _token, secret = create_token(owner, name="all", scopes=list(Scope), days=1)
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"token": "guess"}
    assert program.post("/api/v1/invitations/accept", body, content_type="application/json").status_code == 429
    assert program.get("/rest/v1/collabs/invite/guess").status_code == 429
