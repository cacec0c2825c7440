"""WebSockets into a Lab go through the relay, which cuts them when their pass has ended, whatever the Lab does."""

import contextlib
import os
import socket
import threading

import pytest

from ..support.proxy_backends import PASS_ID, SERVER_ID, Answer, Proxy
from ..support.site import eventually, wait_for

pytestmark = pytest.mark.sandbox

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
CHANNELS = "/api/kernels/k/channels"
SECONDS = 20


@pytest.fixture(autouse=True)
def echo(proxy: Proxy) -> None:
    """A Lab that answers for ever, and never closes by itself."""
    proxy.jupyter.reply = lambda request: Answer(101, UPGRADE)


def upgraded(proxy: Proxy, *headers: str, target: str = CHANNELS) -> socket.socket:
    """An open WebSocket into the Lab."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {proxy.lab_host}", "Upgrade: websocket", "Connection: Upgrade"]
    connection = proxy.connect("\n".join([*lines, *headers, "", ""]))
    answer = connection.recv(65536)
    assert b" 101 " in answer, answer
    return connection


def answers(connection: socket.socket) -> bool:
    """Whether the Lab still answers; False when the connection was cut."""
    try:
        connection.sendall(b"ping")
        return connection.recv(4) == b"ping"
    except OSError:
        return False


@pytest.mark.parametrize("target", [CHANNELS, "/static/x.js", "/lab/extensions/x"])
def test_it_cuts_a_socket_whose_pass_has_ended(proxy: Proxy, target: str) -> None:
    connection = upgraded(proxy, target=target)
    assert answers(connection)
    proxy.valid_passes = lambda request: Answer(body=b"\n")
    wait_for(lambda: not answers(connection), SECONDS, "the socket goes on")


def test_it_cuts_a_socket_that_a_remembered_yes_let_in(proxy: Proxy) -> None:
    """nginx believes a yes for two seconds."""
    assert answers(upgraded(proxy))
    proxy.auth = Answer(401)
    proxy.valid_passes = lambda request: Answer(body=b"\n")
    late = upgraded(proxy)
    wait_for(lambda: not answers(late), SECONDS, "the socket goes on")


def test_it_lets_other_passes_go_on(proxy: Proxy) -> None:
    mine = upgraded(proxy, "Cookie: lab_pass=mine")
    proxy.auth = Answer(204, proxy.auth.headers | {"X-Lab-Pass": "6"})
    other = upgraded(proxy, "Cookie: lab_pass=other")
    proxy.valid_passes = lambda request: Answer(body=b"6\n")
    wait_for(lambda: not answers(mine), SECONDS, "the socket goes on")
    assert answers(other)


@pytest.mark.parametrize(
    "unsaid",
    [
        Answer(500),
        Answer(403),
        Answer(200, {}, b""),
        Answer(200, {"Content-Length": "9"}, b"6,"),
        Answer(200, {}, b"x\n"),
    ],
)
def test_sockets_go_on_while_the_portal_does_not_say_which_passes_are_good(proxy: Proxy, unsaid: Answer) -> None:
    connection = upgraded(proxy)
    proxy.valid_passes = lambda request: unsaid
    asked = proxy.portal.count("/_gateway/valid-passes")
    wait_for(lambda: proxy.portal.count("/_gateway/valid-passes") > asked + 1, SECONDS, "it does not ask")
    assert answers(connection)
    proxy.portal.stop()
    eventually(proxy.errors, "does not say which passes are good")
    assert answers(connection)
    proxy.portal.start()
    proxy.valid_passes = lambda request: Answer(body=b"\n")
    wait_for(lambda: not answers(connection), SECONDS, "the socket goes on")


def test_a_lab_learns_nothing_of_the_relays_headers(proxy: Proxy) -> None:
    forged = ["X-Lab-Server: " + "f" * 32, "X-Lab-Pass: 99", "X_Lab_Pass: 98", "x-lab-pass: 97"]
    connection = upgraded(proxy, *forged)
    wait_for(lambda: proxy.portal.count("/_gateway/valid-passes"), SECONDS, "it does not ask")
    connection.close()
    asked = proxy.jupyter.last(CHANNELS)
    assert not {"x-lab-server", "x-lab-pass", "x_lab_pass"} & set(asked.headers)
    assert asked.header("Authorization") == "token the-token"
    assert asked.header("Upgrade") == "websocket"
    assert proxy.portal.last("/_gateway/valid-passes").body == str(PASS_ID).encode()
    proxy.jupyter.reply = lambda request: Answer(body=b"jupyter")
    proxy.lab("/api/status", *forged)
    assert not {"x-lab-server", "x-lab-pass", "x_lab_pass"} & set(proxy.jupyter.last("/api/status").headers)


def test_it_hands_on_an_answer_that_is_no_upgrade(proxy: Proxy) -> None:
    proxy.jupyter.reply = lambda request: Answer(404, body=b"no such kernel")
    answer = proxy.lab(CHANNELS, "Upgrade: websocket")
    assert (answer.status, answer.body) == (404, b"no such kernel")


def test_the_portal_says_what_to_say_when_the_lab_is_gone(proxy: Proxy) -> None:
    proxy.jupyter.stop()
    proxy.page = lambda request: Answer(503, body=b"start it again")
    assert proxy.lab(CHANNELS, "Upgrade: websocket").body == b"start it again"


def test_it_closes_with_either_end(proxy: Proxy) -> None:
    first, second = upgraded(proxy), upgraded(proxy)
    assert len(proxy.jupyter.upgraded) == 2
    first.close()
    wait_for(lambda: len(proxy.jupyter.upgraded) == 1, SECONDS, "the Lab was not told")
    assert answers(second)
    for held in proxy.jupyter.upgraded:
        held.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not answers(second), SECONDS, "the browser was not told")


def test_it_carries_much_both_ways_in_order(proxy: Proxy) -> None:
    sent = os.urandom(2**20) * 16
    connection = upgraded(proxy)
    threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
    came = bytearray()
    while len(came) < len(sent) and (part := connection.recv(2**20)):
        came += part
    assert bytes(came) == sent


def test_a_lab_that_reads_nothing_fills_no_memory(proxy: Proxy) -> None:
    held = threading.Event()
    proxy.jupyter.before_echo = lambda: held.wait(60)
    connection = upgraded(proxy)
    connection.settimeout(2)
    taken = 0
    with contextlib.suppress(TimeoutError):
        while taken < 2**27:
            taken += connection.send(bytes(2**18))
    held.set()
    assert taken < 2**24


def test_one_lab_has_so_many_sockets_and_no_more(proxy: Proxy) -> None:
    proxy.page = lambda request: Answer(503, body=b"too many")
    held = [upgraded(proxy) for _ in range(256)]
    assert proxy.lab(CHANNELS, "Upgrade: websocket").body == b"too many"
    held.pop().close()
    wait_for(lambda: _is_let_in(proxy), SECONDS, "its place is not free again")


def _is_let_in(proxy: Proxy) -> bool:
    head = f"GET {CHANNELS} HTTP/1.1\nHost: {proxy.lab_host}\nUpgrade: websocket\nConnection: Upgrade\n\n"
    with proxy.connect(head) as connection:
        return b" 101 " in connection.recv(65536)


@pytest.mark.parametrize(
    "told",
    [
        "",
        f"X-Lab-Server: {SERVER_ID}",
        "X-Lab-Pass: 5",
        "X-Lab-Server: ../web\nX-Lab-Pass: 5",
        f"X-Lab-Server: {SERVER_ID}\nX-Lab-Pass: -1",
        f"X-Lab-Server: {SERVER_ID}\nX-Lab-Pass: {'9' * 19}",
        f"X-Lab-Server: {SERVER_ID}\nX-Lab-Pass: 5\nx-lab-pass: 6",
    ],
)
def test_it_passes_on_nothing_without_a_server_and_a_pass(proxy: Proxy, told: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(proxy.run / "relay.sock"))
        head = f"GET / HTTP/1.1\nHost: x\n{told}\n\n" if told else "GET / HTTP/1.1\n\n"
        connection.sendall(head.replace("\n", "\r\n").encode())
        assert connection.recv(100) == b""
    assert proxy.jupyter.seen == []
