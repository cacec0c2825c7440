"""Who is here: only the portal says who somebody is, and a connection speaks for its own page alone."""

import json
from typing import Any

import pytest

from rooms.room import messages, wire
from rooms.room.awareness import MAX_STATE

from .support import Page, Table


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def say(page: Page, *entries: tuple[int, int, Any]) -> None:
    """Send states as (id, clock, state)."""
    parts = [wire.uint(len(entries))]
    for number, clock, state in entries:
        parts += [wire.uint(number), wire.uint(clock), wire.text(json.dumps(state, ensure_ascii=False))]
    page.room.receive(page.connection, messages.awareness(b"".join(parts)))


def heard(page: Page) -> dict[int, Any]:
    """What a page was told last of each id."""
    page.exchange()
    found = {}
    for update in page.awareness:
        reader = wire.Reader(update)
        for _ in range(reader.uint()):
            number, _clock = reader.uint(), reader.uint()
            found[number] = json.loads(reader.text())
    return found


def test_name_and_colour_are_the_portals(table):
    page, other = table.page(1), table.page(2)
    say(page, (100, 1, {"user": {"name": "Somebody else", "avatar_url": "http://spy"}, "cursors": [{"é": 1}]}))
    user = {"username": "user1", "name": "User Number1", "display_name": "User Number1", "initials": "UN"}
    assert heard(other)[100] == {"user": user | {"color": "#123456"}, "cursors": [{"é": 1}]}


def test_a_client_does_not_speak_for_another(table):
    page, other, third = table.page(1), table.page(2), table.page(3)
    say(page, (100, 1, {"mine": 1}))
    say(other, (200, 1, {"mine": 2}))
    say(other, (100, 9, {"forged": True}))
    say(other, (100, 9, None))
    say(other, (200, 2, {"mine": 3}), (100, 9, {"forged": True}), (300, 1, {"forged": True}))
    assert {number: state.get("mine") for number, state in heard(third).items()} == {100: 1, 200: 3}


def test_a_client_without_a_state_of_its_own_takes_nobodys(table):
    page, other, third = table.page(1), table.page(2), table.page(3)
    say(page, (100, 1, {"mine": 1}))
    say(other, (100, 5, {"forged": True}))
    assert heard(third)[100]["user"]["username"] == "user1"


def test_what_a_page_sends_back_of_one_who_left_does_not_bring_her_back(table):
    page, other, third = table.page(1), table.page(2), table.page(3)
    say(page, (100, 1, {"mine": 1}))
    say(other, (200, 1, {"mine": 2}))
    page.lose()
    say(other, (100, 1, {"mine": 1}))
    assert heard(third)[100] is None
    assert heard(table.page(4)).keys() == {200}


def test_who_leaves_is_gone_for_all(table):
    page, other = table.page(1), table.page(2)
    say(page, (100, 1, {"mine": 1}))
    page.lose()
    assert heard(other) == {100: None}


def test_who_connects_again_is_there_at_once_though_the_old_connection_still_hangs(table):
    page, other = table.page(1), table.page(2)
    say(page, (100, 1, {"mine": 1}))
    again = table.page(1)
    say(again, (100, 2, {"mine": 2}))
    table.room.disconnect(page.connection)
    assert heard(other)[100]["mine"] == 2


def test_who_comes_later_is_told_who_is_here(table):
    say(table.page(1), (100, 1, {"mine": 1}))
    assert heard(table.page(2))[100]["mine"] == 1


def test_a_page_that_asks_is_told(table):
    page, other = table.page(1), table.page(2)
    say(page, (100, 1, {"mine": 1}))
    other.exchange()
    other.awareness.clear()
    table.room.receive(other.connection, bytes([messages.QUERY_AWARENESS]))
    assert heard(other)[100]["mine"] == 1


@pytest.mark.parametrize("state", ["text", 5, [1], {"a": "x" * MAX_STATE}, True])
def test_a_state_that_is_none_is_not_passed_on(table, state):
    page, other = table.page(1), table.page(2)
    say(page, (100, 1, state))
    assert heard(other) == {}
    assert page.connection.closed is None


@pytest.mark.parametrize(
    "payload", [b"\1", b"\1\1\1\3ab", wire.uint(50_000), b"\1\1\1\1\xff", b"\1\1\1" + wire.text("{")]
)
def test_damaged_awareness_harms_nobody(table, payload):
    page, other = table.page(1), table.page(2)
    table.room.receive(page.connection, messages.awareness(payload))
    assert heard(other) == {}


def test_json_that_is_nested_very_deeply_is_passed_over(table):
    page, other = table.page(1), table.page(2)
    deep = b"\1" + wire.uint(100) + wire.uint(1) + wire.text('{"a":' * 9000)
    table.room.receive(page.connection, messages.awareness(deep))
    assert heard(other) == {}
