"""Trust in outputs does not cross from one person to another, whatever a client sends.

Each attack looks at every message that the other person's page is sent, and at what her page holds after each of them.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, UndoManager

from rooms.documents.tests.notebooks import as_bytes, code, notebook
from rooms.room import messages

from .support import MemoryFile, Page, Table

SCRIPT = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>steal()</script>"}}


class Victim(Page):
    """A page that remembers whether any of its cells was ever trusted, after each single message."""

    was_trusted = False

    def _take(self, message: bytes) -> None:
        super()._take(message)
        self.was_trusted = self.was_trusted or any(_trusted(self.doc))


def joined(table: Table, user_id: int) -> Victim:
    victim = Victim(user_id)
    victim.connect(table.room)
    return victim


def _trusted(doc: Doc) -> Iterator[bool]:
    """Is each cell trusted, as JupyterLab's `CellModel` reads it?"""
    for cell in doc.get("cells", type=Array):
        metadata = cell.get("metadata") if isinstance(cell, Map) else None
        plain = metadata.to_py() if isinstance(metadata, Map) else metadata
        yield bool(isinstance(plain, dict) and plain.get("trusted"))


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


@pytest.fixture
def victim(table):
    return joined(table, 2)


@pytest.fixture
def attacker(table):
    return table.page(1)


def new_cell(metadata: Any, cell_id: str = "evil") -> Map:
    return Map(
        {
            "id": cell_id,
            "cell_type": "code",
            "source": Text("1"),
            "metadata": metadata,
            "outputs": Array([Map(SCRIPT)]),
            "execution_count": None,
        }
    )


def set_key(page: Page) -> None:
    page.notebook.cells[0]["metadata"]["trusted"] = True


def set_other_values(page: Page) -> None:
    for value in ("yes", 1, [0], {"a": 1}):
        page.notebook.cells[0]["metadata"]["trusted"] = value


def set_shared_value(page: Page) -> None:
    page.notebook.cells[0]["metadata"]["trusted"] = Map({"a": 1})


def replace_map(page: Page) -> None:
    page.notebook.cells[0]["metadata"] = Map({"trusted": True})


def plain_metadata(page: Page) -> None:
    page.notebook.cells[0]["metadata"] = {"trusted": True}


def insert_cell(page: Page) -> None:
    page.notebook.cells.insert(1, new_cell(Map({"trusted": True})))


def insert_cell_with_plain_metadata(page: Page) -> None:
    page.notebook.cells.append(new_cell({"trusted": True, "tags": []}))


def replace_all_cells(page: Page) -> None:
    with page.doc.transaction():
        page.notebook.cells.clear()
        page.notebook.cells.extend([new_cell(Map({"trusted": True}), f"new{number}") for number in range(3)])


def in_one_transaction_with_others(page: Page) -> None:
    with page.doc.transaction():
        page.notebook.cells.insert(0, new_cell(Map({})))
        del page.notebook.cells[1]
        page.notebook.cells[1]["metadata"]["trusted"] = True
        page.notebook.cells[0]["metadata"]["trusted"] = True
        page.notebook.cells[2]["source"].insert(0, "x")


def set_and_unset_and_set(page: Page) -> None:
    metadata = page.notebook.cells[0]["metadata"]
    for _ in range(3):
        metadata["trusted"] = True
        del metadata["trusted"]
    metadata["trusted"] = True


def edit_and_undo(page: Page) -> None:
    undo_manager = UndoManager(scopes=[page.notebook.cells], capture_timeout_millis=0)
    page.notebook.cells[0]["metadata"]["trusted"] = True
    page.exchange()
    assert undo_manager.undo()
    assert undo_manager.redo()


def metadata_without_a_map(page: Page) -> None:
    page.notebook.cells[0]["metadata"] = None
    page.notebook.cells[0]["metadata"] = Array(["trusted"])


ATTACKS = [
    set_key, set_other_values, set_shared_value, replace_map, plain_metadata, insert_cell, metadata_without_a_map,
    insert_cell_with_plain_metadata, replace_all_cells, in_one_transaction_with_others, set_and_unset_and_set,
    edit_and_undo,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_trust_never_arrives(table, attacker, victim, attack):
    attack(attacker)
    attacker.exchange()
    victim.exchange()
    assert not victim.was_trusted
    newcomer = joined(table, 3)
    assert not newcomer.was_trusted
    assert not any(_trusted(table.room.history.document.doc))


@pytest.mark.parametrize("attack", ATTACKS)
def test_trust_never_arrives_in_one_update_with_all_else(table, attacker, victim, attack):
    """As a page sends it that was offline: sync step 2."""
    attacker.lose()
    attack(attacker) if attack is not edit_and_undo else set_key(attacker)
    attacker.connect(table.room)
    victim.exchange()
    assert not victim.was_trusted
    assert not joined(table, 3).was_trusted


@pytest.mark.parametrize("attack", ATTACKS)
def test_trust_never_arrives_in_pieces_that_come_in_any_order(table, attacker, victim, attack):
    pieces: list[bytes] = []
    attacker.doc.observe(lambda event: pieces.append(event.update))
    attacker.connection, connection = None, attacker.connection
    attacker.notebook.cells.append(new_cell(Map({"a": 1})))
    attack(attacker) if attack is not edit_and_undo else set_key(attacker)
    attacker.connection = connection
    for piece in [*pieces[::-1], *pieces[1:], *pieces[:1], *pieces]:
        table.room.receive(connection, messages.update(piece))
        victim.exchange()
        assert not victim.was_trusted
    assert not joined(table, 3).was_trusted


def test_what_a_page_is_told_of_its_own_run_is_that_trust_is_gone(table, attacker):
    set_key(attacker)
    attacker.exchange()
    assert not any(_trusted(attacker.doc))
    assert table.room.statistics.untrusted == 1


def test_other_metadata_stays(table, attacker, victim):
    with attacker.doc.transaction():
        attacker.notebook.cells[0]["metadata"]["tags"] = ["a"]
        attacker.notebook.cells[0]["metadata"]["trusted"] = True
    attacker.notebook.cells[1]["metadata"] = {"trusted": True, "collapsed": True}
    attacker.exchange()
    victim.exchange()
    assert victim.notebook.cells[0]["metadata"].to_py() == {"tags": ["a"]}
    assert victim.notebook.cells[1]["metadata"].to_py() == {"collapsed": True}


def test_trust_does_not_come_from_the_file(tmp_path):
    trusted = as_bytes(notebook(code("1", "a", outputs=[SCRIPT], metadata={"trusted": True})))
    table = Table(tmp_path, MemoryFile(trusted))
    assert not joined(table, 2).was_trusted
    outside = joined(table, 3)
    table.file.put(as_bytes(notebook(code("2", "a", outputs=[SCRIPT], metadata={"trusted": True}))))
    table.settle()
    outside.exchange()
    assert outside.cells() == [("a", "2")]
    assert not outside.was_trusted


def test_trust_does_not_come_from_the_journal_of_a_room_that_ended(table, attacker):
    set_key(attacker)
    attacker.exchange()
    table.kill()
    table.open()
    assert not joined(table, 3).was_trusted


def test_the_path_of_one_lab_is_not_the_others(table, attacker, victim):
    attacker.document.state["path"] = "drive/elsewhere.ipynb"
    attacker.exchange()
    victim.exchange()
    assert "path" not in victim.document.state


# Shapes that no file can hold


def cell_that_is_no_map(page: Page) -> None:
    page.notebook.cells.append({"cell_type": "code", "source": "x"})


def cell_without_source(page: Page) -> None:
    del page.notebook.cells[0]["source"]


def source_that_is_no_text(page: Page) -> None:
    page.notebook.cells[0]["source"] = "plain"


def outputs_that_are_no_array(page: Page) -> None:
    page.notebook.cells[0]["outputs"] = {"a": 1}


def output_that_is_no_map(page: Page) -> None:
    page.notebook.cells[0]["outputs"].append("x")


def output_of_shared_data(page: Page) -> None:
    page.notebook.cells[0]["outputs"].append(Map({"output_type": "display_data", "data": Map({})}))


def output_without_type(page: Page) -> None:
    page.notebook.cells[0]["outputs"].append(Map({"a": 1}))


def change_of_an_outputs_type(page: Page) -> None:
    page.notebook.cells[0]["outputs"].append(Map({"output_type": "error"}))
    page.exchange()
    page.notebook.cells[0]["outputs"][0]["output_type"] = 1


def unknown_type_of_cell(page: Page) -> None:
    page.notebook.cells[0]["cell_type"] = "other"


def no_id(page: Page) -> None:
    page.notebook.cells[0]["id"] = 5


def version_three(page: Page) -> None:
    page.notebook.meta["nbformat"] = 3


def metadata_that_is_no_map(page: Page) -> None:
    page.notebook.meta["metadata"] = 1


def attachments_that_are_none(page: Page) -> None:
    page.notebook.cells[0]["attachments"] = {"a": 1}


def shared_value_in_state(page: Page) -> None:
    page.document.state["dirty"] = Map({})


def shared_metadata(page: Page) -> None:
    page.notebook.meta["metadata"]["a"] = Map({})


@pytest.mark.parametrize(
    "damage",
    [
        cell_that_is_no_map, cell_without_source, source_that_is_no_text, outputs_that_are_no_array, no_id,
        output_that_is_no_map, output_of_shared_data, output_without_type, change_of_an_outputs_type, shared_metadata,
        unknown_type_of_cell, version_three, metadata_that_is_no_map, attachments_that_are_none, shared_value_in_state,
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_undone_and_its_client_closed(table, attacker, victim, damage):
    attacker.type("a", "# before\n")
    attacker.exchange()
    damage(attacker)
    attacker.send_some()
    assert attacker.connection.closed
    assert attacker.connection.closed[0] == 4400
    victim.exchange()
    victim.type("b", "# after\n")
    victim.exchange()
    table.settle()
    assert table.file.sources() == ["# before\na = 1\n", "# after\nb = 2\n", "c = 3\n"]
    assert table.page(3).cells() == victim.cells()


def test_a_cell_that_two_people_moved_at_once_is_there_once(table, attacker, victim):
    for page, at in ((attacker, 0), (victim, 1)):
        with page.doc.transaction():
            cell = page.notebook.cell_content(2)
            del page.notebook.cells[2]
            page.notebook.cells.insert(at, page.notebook.new_cell(cell))
    for page in (attacker, victim, attacker):
        page.exchange()
    assert victim.cells() == attacker.cells()
    assert sorted(cell_id for cell_id, _source in victim.cells()) == ["a", "b", "c"]


def test_of_two_cells_of_one_id_that_differ_both_stay_under_ids_of_their_own(table, attacker, victim):
    attacker.notebook.cells.append(attacker.notebook.new_cell(code("other", "a")))
    attacker.exchange()
    victim.exchange()
    ids = [cell_id for cell_id, _source in victim.cells()]
    assert len(set(ids)) == 4
    assert [source for _id, source in victim.cells()][-1] == "other"
    table.settle()
    assert len(table.file.sources()) == 4


def test_every_message_that_the_room_sends_is_one_that_it_would_take(table):
    """So that what it adds to an update never stands alone."""
    pages = [table.page(number) for number in range(1, 4)]
    for step, (page, attack) in enumerate(zip(itertools.cycle(pages), ATTACKS, strict=False)):
        page.exchange()
        page.notebook.cells[0]["source"].insert(0, f"{step} ")
        if attack not in (set_shared_value, metadata_without_a_map, edit_and_undo):
            attack(page)
        page.exchange()
    for page in pages:
        page.exchange()
    assert len({str(page.cells()) for page in pages}) == 1
    table.settle()
    assert table.page(4).cells() == pages[0].cells()
