"""What the proxy leads to the rooms, from which origins, and what it says there of who asks."""

import json

import pytest

from ..support.proxy_backends import Answer, Proxy

pytestmark = pytest.mark.sandbox

SESSION = "/api/collaboration/session/drive%2FMy%20Libraries%2FMine%2Fa.ipynb"
ROOM = "/api/collaboration/room/json:notebook:0123?sessionId=e.w"
OF_PORTAL = "/drive/collaboration/session/00000000-0000-4000-8000-000000000000/a.md"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x")
FORGED = {"X-Rooms-Person": "1", "X-Rooms-Grant": "pass 1", "X-Real-IP": "10.0.0.1", "X-Request-ID": "mine"}


def ask(proxy: Proxy, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
    """A request on the origin that the address belongs to: a Lab's, or the portal's."""
    return (proxy.lab if target.startswith("/api") else proxy.ask)(target, *headers, method=method, body=body)


@pytest.mark.parametrize(("target", "asked"), [(SESSION, "lab"), (OF_PORTAL, "portal")])
def test_it_says_who_asks_and_lets_nobody_else_say_so(proxy: Proxy, target: str, asked: str) -> None:
    forged = [f"{name}: {value}" for name, value in FORGED.items()]
    forged += [f"{name.replace('-', '_')}: {value}" for name, value in FORGED.items()]
    forged += [f"{name.lower()}: {value}" for name, value in FORGED.items()]
    secrets = ("Cookie: lab_pass=x; portal=y", "Authorization: token z")
    answer = ask(proxy, target, *forged, *secrets, method="PUT", body=b"{}")
    assert (answer.status, answer.body) == (200, b"rooms")
    told = proxy.rooms.last()
    assert (told.method, told.target, told.body) == ("PUT", target, b"{}")
    assert (told.header("X-Rooms-Person"), told.header("X-Rooms-Grant")) == ("7", "pass 5")
    assert not {"cookie", "authorization", "x_rooms_person", "x_rooms_grant", "x-lab-pass"} & set(told.headers)
    assert told.header("X-Request-ID") == answer.headers["x-request-id"] != "mine"
    question = proxy.portal.last(f"/_gateway/rooms/{asked}")
    assert question.header("X-Original-URI") == target
    assert "lab_pass=x" in str(question.header("Cookie"))


def test_it_names_nobody_where_the_portal_named_nobody(proxy: Proxy) -> None:
    proxy.asks_rooms = Answer(204)
    proxy.lab(SESSION, "X-Rooms-Person: 1", "X-Rooms-Grant: pass 1", method="PUT", body=b"{}")
    assert not {"x-rooms-person", "x-rooms-grant"} & set(proxy.rooms.last().headers)


@pytest.mark.parametrize("target", [SESSION, OF_PORTAL, ROOM, ROOM.replace("/api", "/drive")])
def test_a_request_from_another_place_goes_no_further(proxy: Proxy, target: str) -> None:
    proxy.asks_rooms = Answer(403)
    assert ask(proxy, target, method="PUT", body=b"{}").status == 403
    assert ask(proxy, target, *UPGRADE).status == 403
    assert proxy.rooms.seen == []


@pytest.mark.parametrize("target", [SESSION, OF_PORTAL, ROOM, ROOM.replace("/api", "/drive")])
def test_who_is_signed_out_is_told_by_the_rooms_as_nobody(proxy: Proxy, target: str) -> None:
    """A WebSocket that is refused is tried again for ever: it must be let in to be closed with a word."""
    proxy.asks_rooms = Answer(401)
    proxy.rooms.reply = lambda request: Answer(401, body=b"signed out")
    forged = [f"{name}: {value}" for name, value in FORGED.items()]
    for answer in (ask(proxy, target, *forged, method="PUT", body=b"{}"), ask(proxy, target, *forged, *UPGRADE)):
        assert (answer.status, answer.body) == (401, b"signed out")
        assert not {"x-rooms-person", "x-rooms-grant", "cookie"} & set(proxy.rooms.last().headers)
    assert proxy.rooms.last().header("Upgrade") == "websocket"


def test_it_opens_a_websocket_whether_a_lab_runs_or_not(proxy: Proxy) -> None:
    proxy.auth = Answer(401)
    proxy.jupyter.stop()
    proxy.rooms.reply = lambda request: Answer(101, {"Upgrade": "websocket", "Connection": "Upgrade"})
    lines = [f"GET {ROOM} HTTP/1.1", f"Host: {proxy.lab_host}", *UPGRADE, "", ""]
    with proxy.connect("\n".join(lines)) as connection:
        assert b" 101 " in connection.recv(65536)
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"
    told = proxy.rooms.last()
    assert (told.target, told.header("Upgrade")) == (ROOM, "websocket")


@pytest.mark.parametrize(
    "target",
    [
        "/api/collaboration/",
        "/api/collaboration/session/",
        "/api/collaboration/timeline/a.ipynb",
        "/api/collaboration/undo_redo/x",
        "/api/collaboration/fork/x",
        "/api/collaboration/roomba/x",
        "/drive/collaboration/",
        "/drive/collaboration/x",
        "/drive/collaboration/session",
    ],
)
def test_there_is_nothing_else_below(proxy: Proxy, target: str) -> None:
    assert ask(proxy, target).status == 404
    assert proxy.rooms.seen == []
    assert proxy.jupyter.seen == []


@pytest.mark.parametrize("target", ["/healthz", "/_ask_rooms", "/api/collaboration"])
def test_a_lab_leads_nowhere_else_to_the_rooms(proxy: Proxy, target: str) -> None:
    proxy.lab(target)
    proxy.ask(target)
    assert proxy.rooms.seen == []


@pytest.mark.parametrize("target", [SESSION, OF_PORTAL])
def test_without_the_rooms_it_says_so_at_once(proxy: Proxy, target: str) -> None:
    proxy.rooms.stop()
    for refused in (204, 401):
        proxy.asks_rooms = Answer(refused, proxy.asks_rooms.headers)
        answer = ask(proxy, target, f"Cookie: x={refused}", method="PUT", body=b"{}")
        assert (answer.status, "message" in json.loads(answer.body)) == (503, True)
        assert ask(proxy, target, f"Cookie: x={refused}", *UPGRADE).status == 503


@pytest.mark.parametrize("target", [SESSION, OF_PORTAL])
def test_without_the_portal_nobody_is_let_in(proxy: Proxy, target: str) -> None:
    proxy.portal.stop()
    assert ask(proxy, target, method="PUT", body=b"{}").status == 503
    assert proxy.rooms.seen == []


def test_it_remembers_a_yes_for_the_lab_and_one_for_rooms_apart(proxy: Proxy) -> None:
    proxy.asks_rooms = Answer(401)
    proxy.rooms.reply = lambda request: Answer(401)
    assert proxy.lab("/api/status").status == 200
    assert proxy.lab(SESSION).status == 401
    assert "x-rooms-person" not in proxy.rooms.last().headers
    assert proxy.lab("/api/status").body == b"jupyter"


def test_a_question_is_short(proxy: Proxy) -> None:
    assert proxy.lab(SESSION, method="PUT", body=bytes(17000)).status == 413
    assert proxy.rooms.seen == []
