"""Who may ask for rooms from a Lab's origin: whoever has a pass for it, from its own pages, server or not."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from lab.gateway import passes
from lab.models import Pass
from portal.accounts.services import deactivate
from portal.models import Session, User

pytestmark = pytest.mark.django_db

ORIGIN = {"X-Lab-User": "owner", "X-Original-Method": "PUT", "Origin": "http://owner.lab.localhost:8000"}


@pytest.fixture
def lab(owner: User) -> Client:
    """A browser with a pass for the owner's Lab, which does not run."""
    client, secret = Client(), passes.new_secret()
    Session.objects.create(session_key="k", session_data="", expire_date=timezone.now() + timedelta(1), user=owner)
    Pass.objects.create(
        digest=passes.digest(secret),
        user=owner,
        session_key="k",
        auth_hash=owner.get_session_auth_hash(),
        expires_at=timezone.now() + timedelta(1),
    )
    client.cookies[passes.PASS_COOKIE] = secret
    return client


def ask(lab: Client, **headers: str) -> int:
    return lab.get("/_gateway/rooms/lab", headers=ORIGIN | headers).status_code


def test_it_names_the_person_and_the_pass_without_a_server(lab: Client, owner: User) -> None:
    answer = lab.get("/_gateway/rooms/lab", headers=ORIGIN)
    assert answer.status_code == 204
    assert answer["X-Rooms-Person"] == str(owner.pk)
    assert answer["X-Rooms-Grant"] == f"pass {Pass.objects.get().pk}"


def test_it_names_nobody_without_a_good_pass(lab: Client, owner: User, operator: User) -> None:
    assert Client().get("/_gateway/rooms/lab", headers=ORIGIN).status_code == 401
    Session.objects.all().delete()
    assert ask(lab) == 401


def test_it_names_nobody_who_was_deactivated(lab: Client, owner: User, operator: User) -> None:
    deactivate(operator, owner)
    assert ask(lab) == 401


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://localhost:8000", "http://editor.lab.localhost:8000", "https://owner.lab.localhost:8000"],
)
def test_it_refuses_every_other_origin_and_none(lab: Client, origin: str) -> None:
    for upgrade in ("", "websocket"):
        headers = {"Origin": origin, "X-Original-Upgrade": upgrade, "X-Original-Method": "GET"}
        assert ask(lab, **headers) == 403


def test_a_pass_is_good_at_its_own_lab_alone(lab: Client, editor: User) -> None:
    there = {"X-Lab-User": "editor", "Origin": "http://editor.lab.localhost:8000"}
    assert ask(lab, **there) == 401
