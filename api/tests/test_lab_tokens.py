"""Tokens of Labs: good while their server runs, for an hour, and for no lasting harm."""

import hashlib
import time
from typing import Any

import pytest
from django.core.signing import TimestampSigner
from django.test import Client
from django.utils import timezone

from collabs.models import Collab
from drive.models import Library, Version
from drive.storage import layout
from lab.models import Environment, Server, State
from lab.servers import api_tokens
from notices.models import Notice
from portal.accounts.services import deactivate
from portal.models import User

pytestmark = pytest.mark.django_db
ME = "/api/v1/me"


@pytest.fixture
def server(owner: User) -> Server:
    environment = Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    return Server.objects.create(owner=owner, environment=environment, state=State.RUNNING, started_at=timezone.now())


def ask(token: str, path: str = ME, method: str = "get", body: dict[str, Any] | None = None) -> Any:
    send = getattr(Client(), method)
    headers = {"Authorization": f"Bearer {token}"}
    return send(path, body, content_type="application/json", headers=headers) if body else send(path, headers=headers)


def test_it_is_its_person_for_the_api(server: Server, collab: Collab) -> None:
    token = api_tokens.make(server.pk)
    assert ask(token).json() | {"username": "owner", "scopes": ["read", "write", "share"]} == ask(token).json()
    assert [found["slug"] for found in ask(token, "/api/v1/collabs?mine=true").json()["items"]] == [collab.slug]


def test_it_shares_a_library(server: Server, editor: User) -> None:
    library = Library.objects.get(owner_user=server.owner, is_default=True)
    address = f"/api/v1/libraries/{library.pk}/shares"
    answer = ask(api_tokens.make(server.pk), address, "post", {"person": editor.username, "permission": "r"})
    assert answer.status_code == 201
    assert library.shares.get().user == editor


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/api/v1/collabs", {"title": "New"}),
        ("delete", "/api/v1/collabs/{collab}", None),
        ("post", "/api/v1/collabs/{collab}/team", {"username": "stranger", "role": "administrator"}),
        ("post", "/api/v1/collabs/{collab}/invitations", {"email": "mallory@example.org", "role": "administrator"}),
        ("delete", "/api/v1/libraries/{library}", None),
        ("delete", "/api/v1/lab", None),
        ("post", "/rest/v1/collabs", {"name": "new", "title": "New"}),
    ],
)
def test_it_does_no_lasting_harm(
    server: Server, collab: Collab, stranger: User, method: str, path: str, body: dict[str, Any] | None
) -> None:
    path = path.format(collab=collab.slug, library=collab.library.pk)
    assert ask(api_tokens.make(server.pk), path, method, body).status_code == 403


def test_it_opens_no_page(server: Server) -> None:
    for page in ("/", "/account/tokens/", "/drive/", "/lab/"):
        answer = ask(api_tokens.make(server.pk), page)
        assert not answer.wsgi_request.user.is_authenticated


@pytest.mark.parametrize("state", [State.STOPPING, State.STOPPED, State.FAILED, State.REQUESTED])
def test_it_dies_with_its_server(server: Server, state: State) -> None:
    token = api_tokens.make(server.pk)
    assert ask(token).status_code == 200
    Server.objects.filter(pk=server.pk).update(state=state)
    assert ask(token).status_code == 401


def test_it_dies_with_its_person(server: Server) -> None:
    token = api_tokens.make(server.pk)
    deactivate(None, server.owner)
    Server.objects.filter(pk=server.pk).update(state=State.RUNNING)
    assert ask(token).status_code == 401


def test_it_is_good_for_an_hour(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = api_tokens.make(server.pk), time.time()
    monkeypatch.setattr(time, "time", lambda: now + api_tokens.GOOD_FOR - 5)
    assert ask(token).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + api_tokens.GOOD_FOR + 5)
    assert ask(token).status_code == 401


def test_it_cannot_be_made_up(server: Server) -> None:
    token = api_tokens.make(server.pk)
    other_use = api_tokens.PREFIX + TimestampSigner(salt="something else").sign(server.pk.hex)
    other_key = api_tokens.PREFIX + TimestampSigner(key="x" * 50, salt="lab.portal_tokens").sign(server.pk.hex)
    no_server = api_tokens.PREFIX + TimestampSigner(salt="lab.portal_tokens").sign("no number")
    for forged in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token + "A",
        "lab_",
        "lab_::",
        other_use,
        other_key,
    ):
        assert ask(forged).status_code == 401
    with pytest.raises(ValueError, match="badly formed"):
        api_tokens.server_of(no_server)  # only who has the key can


def test_wrong_ones_shut_out_nobody(server: Server) -> None:
    for _ in range(70):
        ask("lab_" + "0" * 32 + ":1:x")
    assert ask(api_tokens.make(server.pk)).status_code == 200


def test_it_tells_of_saves_in_its_own_name_and_nothing_else_does(
    server: Server, collab: Collab, program: Any, owner: User, editor: User
) -> None:
    place = layout.find(collab.library.pk)
    (place / "a.txt").write_text("words")
    told = {"path": "Shared with groups/Cortex/a.txt", "sha256": hashlib.sha256(b"words").hexdigest()}
    token = api_tokens.make(server.pk)
    begun = ask(token, "/api/v1/lab/saves/begin", "post", {"path": told["path"]})
    assert (begun.status_code, begun.json()) == (200, {"wait": False})
    assert ask(token, "/api/v1/lab/saves/end", "post", told).status_code == 200
    [version] = Version.objects.all()
    assert version.by == owner
    assert ask(token, "/api/v1/lab/saves/end", "post", told | {"user": "editor"}).status_code == 422
    elsewhere = told | {"path": "My Libraries/Nobody's/a.txt"}
    assert ask(token, "/api/v1/lab/saves/end", "post", elsewhere).status_code == 403
    refused = program(editor).post("/api/v1/lab/saves/end", told, content_type="application/json")
    assert refused.status_code == 403
    assert "Only a running Lab" in refused.json()["message"]


def test_it_tells_its_own_person_of_a_run(server: Server, owner: User, program: Any, editor: User) -> None:
    told = {"path": "drive/My Libraries/My Library/a.ipynb", "seconds": 61.5, "cells": 2, "error": ""}
    assert ask(api_tokens.make(server.pk), "/api/v1/lab/runs", "post", told).status_code == 204
    assert [notice.user for notice in Notice.objects.filter(kind="run_ended")] == [owner]
    assert program(editor).post("/api/v1/lab/runs", told, content_type="application/json").status_code == 403
