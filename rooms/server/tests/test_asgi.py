"""The process as the proxy sees it: what every kind of person gets at its addresses, and what comes in of them."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from pycrdt import Text
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.models import Library
from drive.storage import layout
from groups import services as group_services
from portal.accounts.services import deactivate
from portal.models import User
from rooms import access
from rooms.models import Room
from rooms.room import messages
from rooms.room.messages import session_over
from rooms.server import asgi, authorisation, open_rooms
from rooms.server.asgi import Application, Message
from rooms.server.authorisation import NO_ACCESS, SIGNED_OUT
from rooms.server.threads import FILE_THREADS, DatabaseThreads, questions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

KINDS = ("anonymous", "stranger", "viewer", "editor", "owner", "group", "deactivated", "operator")
LAB = "/api/collaboration/session/" + quote("drive/Shared with groups/Cortex/notes.txt", safe="")
PUBLIC = "/api/collaboration/session/" + quote("drive/Shared with all/Open Cortex/notes.txt", safe="")
Headers = dict[str, list[tuple[bytes, bytes]]]
"""By kind of person, what the proxy says."""
TEXT, NOTEBOOK = {"format": "text", "type": "file"}, {"format": "json", "type": "notebook"}


@pytest.fixture
def people(
    owner: User,
    editor: User,
    viewer: User,
    stranger: User,
    operator: User,
    person: Callable[..., User],
    collab: Collab,
    public_collab: Collab,
    place: Path,
) -> dict[str, list[tuple[bytes, bytes]]]:
    """What the proxy says of each kind of person."""
    (layout.find(public_collab.library.pk) / "notes.txt").write_text("one\n")
    ingroup, gone = person("ingroup"), person("gone")
    institute = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, institute, ingroup)
    for where in (collab, public_collab):
        collab_services.give_group_role(owner, where, institute, Role.VIEWER)
        collab_services.add_member(owner, where, gone, Role.EDITOR)
    found: dict[str, list[tuple[bytes, bytes]]] = {"anonymous": []}
    for kind, user in zip(KINDS[1:], (stranger, viewer, editor, owner, ingroup, gone, operator), strict=True):
        client = Client()
        client.force_login(user)
        grant = f"session {client.session.session_key}".encode()
        found[kind] = [(b"x-rooms-person", str(user.pk).encode()), (b"x-rooms-grant", grant)]
    deactivate(operator, gone)
    return found


class Site:
    """The application, without a network."""

    def __init__(self) -> None:
        self.application = Application()

    async def put(
        self,
        path: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes = json.dumps(TEXT).encode(),
        method: str = "PUT",
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer."""
        sent: list[Message] = []
        scope = {"type": "http", "method": method, "raw_path": path.encode(), "headers": headers, "query_string": b""}
        await self.application(scope, _once({"type": "http.request", "body": body}), _into(sent))
        return sent[0]["status"], json.loads(sent[1]["body"])

    async def visit(self, path: str, headers: list[tuple[bytes, bytes]], session: str) -> list[Message]:
        """What comes until the other side closes, or has sent what it has at first."""
        sent: list[Message] = []
        comes: asyncio.Queue[Message] = asyncio.Queue()
        comes.put_nowait({"type": "websocket.connect"})
        query = f"sessionId={session}".encode()
        scope = {"type": "websocket", "raw_path": path.encode(), "headers": headers, "query_string": query}
        task = asyncio.ensure_future(self.application(scope, comes.get, _into(sent)))
        while not task.done() and not any(message["type"] != "websocket.accept" for message in sent):
            await asyncio.sleep(0.01)
        comes.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task
        return sent


def _once(message: Message) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return message

    return receive


def _into(sent: list[Message]) -> Callable[[Message], Awaitable[None]]:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


def run(story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    """In an event loop with the process's own threads; their connections to the database are closed at the end."""

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(DatabaseThreads(FILE_THREADS))
        site = Site()
        try:
            await story(site)
        finally:
            await site.application.rooms.close_all()
            loop = asyncio.get_running_loop()
            pools = [None] * FILE_THREADS + [questions] * FILE_THREADS
            await asyncio.gather(*(loop.run_in_executor(pool, _close_connection) for pool in pools))

    asyncio.run(main())


def _close_connection() -> None:
    connection.close()
    time.sleep(0.05)  # so that each thread gets one


@pytest.mark.slow
def test_what_every_kind_of_person_gets(people: Headers, collab: Collab, public_collab: Collab) -> None:
    rows = {
        LAB: (401, 404, "r", "w", "w", "r", 401, 404),
        f"/drive/collaboration/session/{collab.library.pk}/notes.txt": (401, 404, "r", "w", "w", "r", 401, 404),
        PUBLIC: (401, "r", "r", "w", "w", "r", 401, "r"),
        f"/drive/collaboration/session/{public_collab.library.pk}/notes.txt": (401, "r", "r", "w", "w", "r", 401, "r"),
    }

    async def story(site: Site) -> None:
        for path, expected in rows.items():
            got = []
            for kind in KINDS:
                status, answer = await site.put(path, people[kind])
                got.append(answer["sessionId"].rpartition(".")[2] if status == 200 else status)
            assert tuple(got) == expected, path

    run(story)


@pytest.mark.slow
def test_who_is_let_in_and_what_the_others_are_told(people: Headers) -> None:
    expected = (SIGNED_OUT, NO_ACCESS, "", "", "", "", SIGNED_OUT, NO_ACCESS)

    async def story(site: Site) -> None:
        _status, session = await site.put(LAB, people["owner"])
        for base in ("/api", "/drive"):
            path = f"{base}/collaboration/room/text:file:{session['fileId']}"
            for kind, why in zip(KINDS, expected, strict=True):
                came = await site.visit(path, people[kind], session["sessionId"])
                assert came[0]["type"] == "websocket.accept"
                if why:
                    assert (came[1]["code"], json.loads(came[1]["reason"])["errorReason"]) == (1003, why), kind
                else:
                    assert came[1]["bytes"][0] == messages.SYNC, kind

    run(story)


def test_what_was_found_out_for_a_session_is_not_asked_again_at_once(
    people: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by nobody else, nor later, nor twice."""
    asked: list[int] = []
    real = asgi._signed_in
    monkeypatch.setattr(asgi, "_signed_in", lambda user_id, grant: asked.append(user_id) or real(user_id, grant))  # type: ignore[func-returns-value]

    async def story(site: Site) -> None:
        async def visit(kind: str) -> int:
            asked.clear()
            await site.visit(path, people[kind], session["sessionId"])
            return len(asked)

        _status, session = await site.put(LAB, people["owner"])
        path = f"/api/collaboration/room/text:file:{session['fileId']}"
        assert [await visit("viewer"), await visit("owner"), await visit("owner")] == [1, 0, 1]
        await site.put(LAB, people["owner"])
        other = path.replace("text:file", "json:notebook")
        assert (await site.visit(other, people["owner"], session["sessionId"]))[1]["code"] == 1003
        monkeypatch.setattr(authorisation, "INTERVAL", 0.0)
        assert await visit("owner") == 1

    run(story)


def test_a_stranger_opens_no_room(people: Headers) -> None:
    """It would take memory."""

    async def story(site: Site) -> None:
        _status, session = await site.put(LAB, people["owner"])
        [one] = site.application.rooms.by_id.values()
        await site.application.rooms.close(one)
        await site.visit(f"/api/collaboration/room/text:file:{session['fileId']}", people["stranger"], "x.w")
        assert site.application.rooms.by_id == {}

    run(story)


def test_nobody_is_whom_the_proxy_does_not_name(people: Headers) -> None:
    """Each header is there once, and can be one. Committed rows take long to make: all in one test."""
    told, person, grant = dict(people["owner"]), b"x-rooms-person", b"x-rooms-grant"
    wrong = [(person, b""), (person, b"1 2"), (person, b"-1"), (person, b"9" * 19)]
    wrong += [(grant, b"session unknown"), (grant, b"pass 999"), (grant, b"anything")]
    asked = [list((told | {name: value}).items()) for name, value in wrong]
    asked += [[(name, told[name])] for name in told]
    asked += [[*told.items(), (name, told[name])] for name in told]

    async def story(site: Site) -> None:
        for headers in asked:
            assert (await site.put(LAB, headers))[0] == 401, headers

    run(story)


def test_it_answers_what_it_is_not_asked(people: Headers) -> None:
    text = json.dumps(TEXT).encode()
    rows = [
        ("/", "GET", b"", 404),
        ("/api/collaboration/session/", "PUT", b"{}", 404),
        ("/api/collaboration/timeline/x", "GET", b"", 404),
        (LAB, "GET", b"", 405),
        (LAB, "DELETE", b"", 405),
        (LAB, "PUT", b"", 409),
        (LAB, "PUT", b"[]", 409),
        (LAB, "PUT", b'{"format": "base64", "type": "file"}', 409),
        (LAB, "PUT", b'{"format": ["json"], "type": {}}', 409),
        (LAB, "PUT", json.dumps(NOTEBOOK).encode(), 409),
        (LAB, "PUT", bytes(20000), 413),
        (LAB + "%00", "PUT", text, 404),
        (LAB + "%ff", "PUT", text, 404),
        (LAB.replace("%2F", "/") + "/..%2F..", "PUT", text, 404),
        (f"/drive/collaboration/session/{uuid4()}/notes.txt", "PUT", text, 404),
        ("/drive/collaboration/session/x/notes.txt", "PUT", text, 404),
        ("/api/collaboration/session/%2Froom%2F..%2Fx", "PUT", text, 404),
    ]

    async def story(site: Site) -> None:
        for path, method, body, status in rows:
            got, answer = await site.put(path, people["owner"], body, method)
            assert (got, bool(answer["message"])) == (status, True), (path, method, body)
            assert site.application.rooms.by_id == {}

    run(story)


def test_it_knows_no_room_that_there_is_not(people: Headers) -> None:
    async def story(site: Site) -> None:
        status, session = await site.put(LAB, people["owner"])
        assert status == 200
        for name in (
            f"text:file:{uuid4().hex}",
            f"json:notebook:{session['fileId']}",
            "JupyterLab:globalAwareness",
            "x",
        ):
            came = await site.visit(f"/api/collaboration/room/{name}", people["owner"], session["sessionId"])
            assert came[1]["code"] == 1003
        came = await site.visit(f"/api/collaboration/room/text:file:{session['fileId']}", people["owner"], "old.w")
        assert came[1]["code"] == 1003

    run(story)


def test_a_person_takes_only_so_much_memory(
    people: Headers, place: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rooms.server.open_rooms.MOST_ROOMS", 2)
    for number in range(3):
        (place / f"{number}.txt").write_text("x")

    async def story(site: Site) -> None:
        paths = [LAB.replace("notes", str(number)) for number in range(3)]
        got = [(await site.put(path, people["owner"]))[0] for path in paths]
        assert got == [200, 200, 429]
        assert (await site.put(paths[2], people["editor"]))[0] == 200
        assert (await site.put(paths[2], people["owner"]))[0] == 200  # it is open already

    run(story)


def test_what_a_person_has_opened_grows_only_so_much(people: Headers, place: Path, settings: Settings) -> None:
    """Files of no size, into which a client of one's own types without end."""
    settings.COEDITING_MAX_BYTES = 10_000
    (place / "other.txt").write_text("")

    async def story(site: Site) -> None:
        rooms = site.application.rooms
        for path in (LAB, LAB.replace("notes", "other")):
            await site.put(path, people["owner"])
        one, other = rooms.by_id.values()
        one.room.history.change(lambda: one.room.history.document.doc.get("source", type=Text).insert(0, "x" * 39_000))
        one.room.history.measure()
        assert rooms.may_grow(other, 20_000)
        assert not rooms.may_grow(other, 30_000)
        one.opened_by = 0
        assert rooms.may_grow(other, 30_000)
        assert rooms.may_grow(one, 30_000)
        await site.put(LAB, people["editor"])
        assert one.opened_by not in (0, other.opened_by), "one that was recovered is who opens it first"

    run(story)


def test_rooms_are_closed_when_nobody_is_left_and_opened_again_as_they_were(
    people: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(site: Site) -> None:
        rooms = site.application.rooms
        _status, first = await site.put(LAB, people["owner"])
        assert (await asyncio.to_thread(Room.objects.get)).is_open
        monkeypatch.setattr("rooms.server.open_rooms.CLOSE_AFTER", 0.0)
        while rooms.by_id:
            await asyncio.sleep(0.01)
        while (row := await asyncio.to_thread(Room.objects.get)).is_open:
            await asyncio.sleep(0.01)
        assert row.left_at is not None
        assert (await site.put(LAB, people["owner"]))[1] == first

    run(story)


def test_operators_can_ask_what_is_open(people: Headers, place: Path, operator: User) -> None:
    async def story(site: Site) -> None:
        await site.put(LAB, people["owner"])
        status, answer = await site.put("/rooms", [], method="GET")
        [found] = answer.values()
        assert (status, found["people"], found["unsaved_seconds"], found["states"]) == (200, [], None, [])
        [one] = site.application.rooms.by_id.values()
        document = one.room.history.document.doc
        one.room.history.change(lambda: document.get("source", type=Text).insert(0, "x" * 1000))
        [found] = (await site.put("/rooms", [], method="GET"))[1].values()
        assert found["unsaved_seconds"] >= 0
        assert (await site.put("/rooms", []))[0] == 404

    run(story)


def test_every_sentence_fits_into_a_close_frame() -> None:
    for text in (
        asgi.NOT_THERE,
        asgi.TOO_MANY,
        asgi.TOO_LARGE,
        open_rooms.TOO_MUCH,
        access.OFF_HERE,
        access.OFF_IN_COLLAB,
    ):
        assert session_over(text, reloadable=False)
