"""Updates are read before the CRDT library gets them; what it would not survive does not reach it."""

import os
import random
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest
from pycrdt import Array, Doc, Map

from rooms.documents.notebook import Notebook
from rooms.documents.tests.notebooks import as_bytes, code, notebook
from rooms.room import messages, wire
from rooms.room.updates import MAX_TYPE_DEPTH, BadUpdateError, IncompleteUpdateError, UpdateChecker, _Placing, _Reading
from rooms.room.wire import uint

from .support import Page, Table

ROOTS = Notebook.roots
EMPTY = b"\0"


def update(*structs: bytes, client: int = 7, clock: int = 0) -> bytes:
    """An update of one client that deletes nothing."""
    return b"".join([uint(1), uint(len(structs)), uint(client), uint(clock), *structs, uint(0)])


def in_root(kind: int, root: str = "cells") -> bytes:
    """The beginning of an item in a root."""
    return bytes([kind]) + uint(1) + wire.text(root)


def in_item(kind: int, clock: int, key: str = "a", client: int = 7) -> bytes:
    """The beginning of an item in another, under a key."""
    return bytes([kind | 32]) + uint(0) + uint(client) + uint(clock) + wire.text(key)


def nested_arrays(depth: int) -> bytes:
    return update(in_root(8) + uint(1) + (b"\x75" + uint(1)) * depth + b"\x7e")


def nested_objects(depth: int) -> bytes:
    return update(in_root(8) + uint(1) + (b"\x76" + uint(1) + wire.text("a")) * depth + b"\x7e")


def nested_types(depth: int) -> bytes:
    return update(in_root(7) + uint(1), *[in_item(7, clock) + uint(1) for clock in range(depth)])


def types_beside_nested_types(depth: int) -> bytes:
    """Each level is said by a neighbour, not by a parent."""
    structs = [in_root(7) + uint(1)]
    for level in range(depth):
        structs.append(in_item(8, 2 * level) + uint(1) + b"\x7e")
        structs.append(bytes([7 | 128]) + uint(7) + uint(2 * level + 1) + uint(1))
    return update(*structs)


@pytest.mark.parametrize("made", [nested_arrays, nested_objects, nested_types, types_beside_nested_types])
@pytest.mark.parametrize("depth", [120, 5_000])
def test_what_is_nested_too_deeply_is_refused(made, depth):
    with pytest.raises(BadUpdateError):
        UpdateChecker(ROOTS).check(made(depth), EMPTY)


@pytest.mark.slow
def test_a_nested_update_would_end_the_process():
    """The reason of the check. When this fails, the library can take it by now."""
    program = """
        from pycrdt import Array, Doc
        from rooms.room.tests.test_updates import nested_arrays
        doc = Doc()
        doc["cells"] = Array()
        doc.apply_update(nested_arrays(100_000))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True)
    assert done.returncode < 0, done.stderr.decode()[-500:]


def test_a_room_survives_what_would_end_the_process(tmp_path):
    table = Table(tmp_path)
    for made in (nested_arrays, nested_objects, nested_types):
        page = table.page()
        table.room.receive(page.connection, messages.update(made(20_000)))
        assert page.connection.closed
    page = table.page(2)
    page.type("a", "x")
    page.exchange()
    assert table.page(3).cells()[0] == ("a", "xa = 1\n")


def test_types_that_grow_into_each_other_step_by_step_are_refused():
    checker = UpdateChecker(ROOTS)
    doc: Doc = Doc()
    doc["cells"] = Array()
    step = update(in_root(7) + uint(1))
    for clock in range(MAX_TYPE_DEPTH):
        checker.check(step, doc.get_state())
        doc.apply_update(step)
        step = update(in_item(7, clock) + uint(1), clock=clock + 1)
    with pytest.raises(BadUpdateError):
        checker.check(step, doc.get_state())


def test_the_depth_of_the_room_s_own_documents_is_allowed():
    document = Notebook(Doc())
    stream = {"output_type": "stream", "name": "stdout", "text": ["x"]}
    document.fill(
        Notebook.parse(as_bytes(notebook(code("a", "a", outputs=[stream], metadata={"a": {"b": [1]}})))).content
    )
    UpdateChecker(ROOTS).check(document.doc.get_update(), EMPTY)


def test_what_was_learnt_from_a_journal_is_known():
    """A page that inserts a cell beside one that came in an update of the journal, after a restart."""
    document = Notebook(Doc())
    document.fill(Notebook.parse(as_bytes(notebook(code("a", "a"), code("b", "b")))).content)
    updates = [document.doc.get_update()]
    document.doc.observe(lambda event: updates.append(event.update))
    document.cells.append(document.new_cell(code("c", "c")))
    del document.cells[1]
    state = document.doc.get_state()
    checker = UpdateChecker(ROOTS)
    for one in updates:
        checker.learn(one)
    page = Notebook(Doc())
    page.doc.apply_update(document.doc.get_update())
    page.cells.append(page.new_cell(code("d", "d")))
    checker.check(page.doc.get_update(state), state)


@pytest.mark.parametrize(
    "bad",
    [
        update(in_root(4, "elsewhere") + wire.text("x")),
        update(in_root(2) + uint(1) + wire.text("null")),  # JSON
        update(in_root(3) + wire.sized(b"x")),  # bytes
        update(in_root(5) + wire.text("{}")),  # embed
        update(in_root(6) + wire.text("bold") + wire.text("true")),  # format
        update(in_root(9) + wire.text("guid") + b"\x7e"),  # document
        update(in_root(7) + uint(3) + wire.text("div")),  # XML
        update(in_root(11) + uint(0)),  # yrs' move
        update(in_root(8) + uint(1) + b"\x74" + wire.sized(b"x")),  # bytes as a value
        update(in_root(4) + wire.text("")),
        update(in_root(1) + uint(0)),
        update(bytes([4 | 128]) + uint(7) + uint(5) + wire.text("x")),  # beside itself
        update(in_root(4) + wire.sized(b"\xff")),
        update(in_root(4) + wire.text("x")) + b"more",
        b"", b"\1", b"\1\1\7\0\4", uint(1 << 60),
    ],
)  # fmt: skip
def test_what_no_page_sends_is_refused(bad):
    with pytest.raises(BadUpdateError):
        UpdateChecker(ROOTS).check(bad, EMPTY)


def test_items_that_are_named_in_the_worst_order_are_looked_at_a_few_times_each(monkeypatch):
    """Of two clients in turns, each beside the other's: whole passes over them would place two each."""
    count = 500
    first = [in_root(7) + uint(1)]
    second = []
    for number in range(count):
        second.append(bytes([7 | 128]) + uint(7) + uint(number) + uint(1))
        if number:
            first.append(bytes([7 | 128]) + uint(8) + uint(number - 1) + uint(1))
    sections = [uint(count), uint(7), uint(0), *first, uint(count), uint(8), uint(0), *second]
    looked = []
    real = _Placing._place

    def place(placing, item):
        looked.append(item)
        return real(placing, item)

    monkeypatch.setattr(_Placing, "_place", place)
    UpdateChecker(ROOTS).check(b"".join([uint(2), *sections, uint(0)]), EMPTY)
    assert len(looked) < 5 * 2 * count


def test_items_that_wait_for_each_other_are_refused():
    one = bytes([7 | 128]) + uint(8) + uint(0) + uint(1)
    other = bytes([7 | 128]) + uint(7) + uint(0) + uint(1)
    with pytest.raises(BadUpdateError):
        UpdateChecker(ROOTS).check(
            b"".join([uint(2), uint(1), uint(7), uint(0), one, uint(1), uint(8), uint(0), other, uint(0)]), EMPTY
        )


def test_an_update_of_too_many_parts_is_refused(monkeypatch):
    monkeypatch.setattr("rooms.room.updates.MAX_PARTS", 1000)
    UpdateChecker(ROOTS).check(update(in_root(8) + uint(900) + b"\x7e" * 900), EMPTY)
    with pytest.raises(BadUpdateError):
        UpdateChecker(ROOTS).check(update(in_root(8) + uint(1100) + b"\x7e" * 1100), EMPTY)


@pytest.mark.parametrize(
    "incomplete",
    [
        update(in_root(4) + wire.text("x"), clock=3),
        update(bytes([4 | 128]) + uint(8) + uint(0) + wire.text("x")),
        update(bytes([4 | 64]) + uint(8) + uint(0) + wire.text("x")),
        update(in_item(4, 0, client=8) + wire.text("x")),
        update(bytes([10]) + uint(5), in_root(4) + wire.text("x")),
        b"\0\1\7\1\0\5",  # deletes what is not there
    ],
)
def test_what_builds_on_something_that_is_not_there_is_asked_for(incomplete):
    with pytest.raises(IncompleteUpdateError):
        UpdateChecker(ROOTS).check(incomplete, EMPTY)


def made_up_edit(page: Notebook, random_: random.Random, step: int) -> None:
    """Something that a page does."""
    at = random_.randrange(len(page.cells))
    cell = page.cells[at]
    match random_.randrange(7):
        case 0 | 1:
            cell["source"].insert(0, random_.choice(["x", "é😀", "line\n"]))
        case 2 if len(page.cells) > 2:
            del page.cells[at]
        case 3:
            page.cells.insert(at, page.new_cell(code("n", f"n{step}-{random_.random()}")))
        case 4:
            page.set_outputs(cell, [{"output_type": "stream", "name": "stdout", "text": "x"} for _ in range(2)])
        case 5:
            cell["metadata"]["a"] = {"b": [1, 2.5, None, True, "é", 2**60, -3]}
        case _:
            cell["metadata"] = Map({"q": 1})


@pytest.mark.slow
def test_the_check_agrees_with_the_library_on_what_is_complete():
    """What it lets through is integrated as a whole; what it holds back is not."""
    seen = {True: 0, False: 0}
    for seed in range(30):
        random_ = random.Random(seed)
        room, pages = Notebook(Doc()), [Notebook(Doc()) for _ in range(3)]
        room.fill(Notebook.parse(as_bytes(notebook(code("a", "a"), code("b", "b")))).content)
        checker = UpdateChecker(ROOTS)
        checker.check(room.doc.get_update(), EMPTY)
        waiting: list[bytes] = []
        for page in pages:
            page.doc.apply_update(room.doc.get_update())
            page.doc.observe(lambda event, waiting=waiting: waiting.append(event.update))
        for step in range(30):
            made_up_edit(random_.choice(pages), random_, step)
            if random_.random() < 0.7:
                sent = waiting.pop(random_.randrange(len(waiting)))
                state = room.doc.get_state()
                try:
                    checker.check(sent, state)
                    complete = True
                except IncompleteUpdateError:
                    complete = False
                trial: Doc = Doc()
                trial.apply_update(room.doc.get_update())
                trial.apply_update(sent)
                there = wire.state_vector(trial.get_state())
                reading = _Reading(wire.Reader(sent), ROOTS, wire.state_vector(state))
                with suppress(IncompleteUpdateError):
                    reading.read()
                integrated = all(there.get(client, 0) >= end for client, end in reading.ends.items())
                assert integrated or not complete, (seed, step)
                seen[complete] += 1
                if complete:
                    room.doc.apply_update(sent)
    assert min(seen.values()) > 20


@pytest.mark.slow
def test_mutated_updates_neither_end_the_room_nor_damage_its_document(tmp_path):
    """FUZZ_CASES=100000 for more."""
    cases = int(os.environ.get("FUZZ_CASES", "1000"))
    random_ = random.Random(5)
    table = Table(tmp_path)
    updates = [table.room.history.document.doc.get_update()]
    source = Page(9).connect(table.room)
    source.doc.observe(lambda event: updates.append(event.update))
    for step in range(40):
        made_up_edit(source.notebook, random_, step)
    source.lose()
    closed = 0
    attacker = table.page(1)
    for number in range(cases):
        mutated = bytearray(random_.choice(updates))
        for _ in range(random_.randint(1, 4)):
            mutated[random_.randrange(len(mutated))] = random_.randrange(256)
        if random_.random() < 0.1:
            del mutated[random_.randrange(len(mutated)) :]
        table.room.receive(attacker.connection, messages.update(bytes(mutated)))
        if attacker.connection.closed:
            closed += 1
            attacker = table.page(1)
        if number % 200 == 0:
            table.room.history.document.content()
    honest = table.page(2)
    honest.notebook.cells[0]["source"].insert(0, "<still works>")
    honest.exchange()
    table.settle()
    assert "<still works>" in "".join(table.file.sources())
    assert closed > cases / 10
