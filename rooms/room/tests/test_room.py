"""A room: people, the file, and what is said about both."""

import asyncio
import gc
import json
import weakref

import pytest

from rooms.documents.base import NotADocumentError
from rooms.documents.plain_text import PlainText
from rooms.documents.tests.notebooks import as_bytes, code, notebook
from rooms.room import messages, wire
from rooms.room.file import NoSpaceError, NotWritableError, QuotaError, RoomFileError
from rooms.room.room import Kind
from rooms.room.saving import Word

from .support import THREE_CELLS, Connection, MemoryFile, Page, Table, in_loop, run


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def test_what_one_types_the_other_sees(table):
    one, other = table.page(1), table.page(2)
    one.type("a", "# typed\n")
    one.exchange()
    other.exchange()
    assert other.cells()[0] == ("a", "# typed\na = 1\n")


def test_what_is_typed_is_saved_when_people_pause(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.later(0.3)
    assert table.file.data == THREE_CELLS
    table.later(1.5)
    assert table.file.sources()[0] == "# typed\na = 1\n"
    page.exchange()
    assert page.told["saved"]


def test_it_is_saved_every_five_seconds_while_people_do_not_pause(table):
    page = table.page()
    for _ in range(14):
        page.type("a", "x")
        page.exchange()
        table.later(0.5)
    assert table.file.sources()[0].startswith("xxxxxxxxx")


def test_opening_a_file_writes_nothing(table):
    page = table.page()
    page.document.state["document_id"] = "x"  # as every page does
    page.exchange()
    table.settle()
    page.lose()
    table.settle()
    assert (table.file.data, table.file.number, table.file.versions) == (THREE_CELLS, 1, [])


def test_a_kernel_that_says_what_its_language_is_writes_nothing(table):
    page = table.page()
    page.notebook.meta["metadata"]["language_info"] = {"name": "python", "version": "3.11.9"}
    page.exchange()
    table.settle()
    assert table.file.number == 1


def test_opening_a_file_in_a_notation_of_its_own_writes_nothing(tmp_path):
    data = json.dumps(json.loads(THREE_CELLS), separators=(" ,", ": ")).encode()
    table = Table(tmp_path, MemoryFile(data))
    page = table.page()
    page.type("a", "x")
    page.exchange()
    page.doc.get_state()
    cell = page.notebook.cells[0]
    del cell["source"][0:1]
    page.exchange()
    table.settle()
    assert table.file.data == data


def test_opening_a_notebook_without_cells_writes_nothing(tmp_path):
    data = as_bytes(notebook())
    table = Table(tmp_path, MemoryFile(data))
    page = table.page()
    assert [source for _id, source in page.cells()] == [""]
    table.settle()
    page.notebook.cells[0]["source"].insert(0, "x")
    page.exchange()
    table.settle()
    assert table.file.sources() == ["x"]


def test_a_viewer_follows_and_writes_nothing(table):
    editor, viewer = table.page(1), table.page(2, may_write=False)
    viewer.type("a", "# viewer\n")
    viewer.exchange()
    editor.type("a", "# editor\n")
    editor.exchange()
    viewer.exchange()
    assert "editor" in viewer.cells()[0][1]
    assert editor.cells()[0] == ("a", "# editor\na = 1\n")
    assert not viewer.told["write"]
    assert editor.told["write"]
    assert table.room.statistics.refused == 1


def test_a_viewers_own_full_copy_is_refused_when_she_connects_again(table):
    viewer = table.page(2, may_write=False)
    viewer.type("a", "# viewer\n")
    viewer.lose()
    viewer.connect(table.room, may_write=False)
    assert table.page(1).cells()[0] == ("a", "a = 1\n")


def test_a_viewer_who_becomes_an_editor_sends_nothing_that_she_typed_before(table):
    viewer = table.page(2, may_write=False)
    session = table.room.session_id(may_write=False)
    viewer.type("a", "# viewer\n")
    viewer.lose()
    viewer.connect(table.room, session=session, may_write=True)  # y-websocket connects again by itself
    assert table.page(1).cells()[0] == ("a", "a = 1\n")


def test_an_editor_who_becomes_a_viewer_writes_no_more(table):
    page = table.page()
    page.connection.may_write = False
    page.type("a", "# typed\n")
    page.exchange()
    assert table.page(2).cells()[0] == ("a", "a = 1\n")


def test_a_page_with_another_history_is_told_to_reload(table):
    page = Page()
    page.connect(table.room, session="other.w")
    assert page.connection.closed
    code, reason = page.connection.closed
    assert (code, json.loads(reason)["reason"]) == (1003, "unknown_session")
    assert page.connection not in table.room.clients


def test_ctrl_s_saves_at_once(table):
    page = table.page()

    async def press() -> None:
        page.type("a", "# typed\n")
        page.outbox.append(bytes([messages.RAW]) + wire.text("save") + wire.uint(7))
        page.send_some()
        while not page.replies:
            await asyncio.sleep(0)
            page.take_some()

    in_loop(press())
    assert page.replies == [{"type": "save", "responseTo": 7, "status": "success"}]
    assert table.file.sources()[0] == "# typed\na = 1\n"


def test_ctrl_s_of_a_viewer_fails(table):
    page = table.page(may_write=False)

    async def press() -> None:
        page.room.receive(page.connection, bytes([messages.RAW]) + wire.text("save") + wire.uint(7))
        while not page.replies:
            await asyncio.sleep(0)
            page.take_some()

    in_loop(press())
    assert page.replies[0]["status"] == "failed"


def test_a_write_from_outside_is_merged_and_kept_as_a_version(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    written = as_bytes(notebook(code("a = 1\n", "a"), code("b = 22\n", "b"), code("c = 3\n", "c")))
    table.file.put(written)
    table.settle()
    page.exchange()
    assert page.cells() == [("a", "# typed\na = 1\n"), ("b", "b = 22\n"), ("c", "c = 3\n")]
    assert table.file.sources() == ["# typed\na = 1\n", "b = 22\n", "c = 3\n"]
    assert ("outside", frozenset(), written) in table.file.versions
    assert table.room.statistics.merges == 1


def test_a_write_at_the_moment_of_a_save_is_merged_first(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    written = as_bytes(notebook(code("a = 1\n", "a"), code("b = 22\n", "b"), code("c = 3\n", "c")))
    table.file.before_write = lambda: table.file.put(written)
    table.settle()
    assert table.file.sources() == ["# typed\na = 1\n", "b = 22\n", "c = 3\n"]


def test_what_outside_overwrote_of_the_rooms_is_a_version_with_its_authors(table):
    one, other = table.page(11), table.page(12)
    one.type("a", "# one\n")
    other.exchange()
    one.exchange()
    other.exchange()
    other.type("b", "# other\n")
    other.exchange()
    table.settle()
    ours = table.file.data
    table.file.put(as_bytes(notebook(code("all gone", "z"))))
    table.settle()
    assert ("merged", frozenset({11, 12}), ours) in table.file.versions


def test_the_second_edit_after_a_restart_doubles_no_cell(table):
    """jupyter-collaboration issue 621: the first edit after the server started anew is fine, the second doubles all."""
    page = table.page()
    page.type("a", "1")
    page.exchange()
    table.settle()
    table.kill()
    page.lose()
    page.connect(table.open())
    page.type("a", "2")
    page.exchange()
    table.settle()
    page.type("a", "3")
    page.exchange()
    table.settle()
    assert table.file.sources() == ["321a = 1\n", "b = 2\n", "c = 3\n"]
    assert len(page.cells()) == 3
    assert table.page(2).cells() == page.cells()


def test_what_was_typed_offline_for_hours_arrives(table):
    page, other = table.page(1), table.page(2)
    page.lose()
    page.type("a", "# offline\n")
    other.type("a", "# online\n")
    other.exchange()
    table.settle()
    table.later(5 * 3600)
    page.connect(table.room)
    other.exchange()
    assert page.cells() == other.cells()
    assert sorted(page.cells()[0][1].splitlines()) == ["# offline", "# online", "a = 1"]


def test_a_change_that_comes_before_what_it_builds_on_is_asked_for(table):
    page = table.page()
    page.lose()
    page.type("a", "one")
    before = page.doc.get_state()
    page.type("a", "two")
    late = page.doc.get_update(before)
    other = table.page(2)
    page.room = table.room
    page.connection = Connection(page)
    table.room.connect(page.connection, table.room.session_id(may_write=True))
    page.outbox = [messages.update(late)]  # typed before the room's first message was there
    page.send_some()
    page.exchange()
    other.exchange()
    assert other.cells()[0] == ("a", "twoonea = 1\n")


def test_a_slow_client_is_closed_and_the_others_go_on(tmp_path):
    table = Table(tmp_path, max_queue=1000)
    slow, page, other = table.page(1), table.page(2), table.page(3)
    slow.connection.queued = 999
    page.type("a", "# typed\n")
    page.exchange()
    other.exchange()
    assert slow.connection.closed == (4429, "This connection is too slow.")
    assert "typed" in other.cells()[0][1]


@pytest.mark.parametrize(
    "message", [b"", b"\0", b"\0\2", b"\0\2\5abc", b"\0\0\1\xff", b"\1\3\1\1", b"\2\xff\xff", b"\0\2\2\1\1"]
)
def test_a_client_that_sends_nonsense_is_closed_alone(table, message):
    page, other = table.page(1), table.page(2)
    page.room.receive(page.connection, message)
    assert page.connection.closed[0] == 4400
    other.type("a", "# typed\n")
    other.exchange()
    assert table.page(3).cells()[0] == ("a", "# typed\na = 1\n")


def test_messages_of_kinds_that_nobody_knows_are_passed_over(table):
    page = table.page()
    page.room.receive(page.connection, b"\x63abc")
    page.room.receive(page.connection, bytes([messages.RAW]) + wire.text("other"))
    assert page.connection.closed is None


def test_a_deleted_file_is_told_and_typing_goes_on(table):
    page, other = table.page(1), table.page(2)
    kept = table.file.data
    table.file.put(None)
    table.settle()
    page.type("a", "# typed\n")
    page.exchange()
    other.exchange()
    assert "typed" in other.cells()[0][1]
    assert page.told["words"] == [{"state": "deleted", "text": "The file was deleted.", "by": "Olga Owner"}]
    table.settle()
    assert table.file.deleted
    table.file.put(kept)
    table.settle()
    page.exchange()
    assert table.file.sources()[0] == "# typed\na = 1\n"
    assert "deleted" not in page.states()


def test_a_file_that_moves_is_followed_and_told(table):
    page = table.page()
    table.file.location = "elsewhere/new name.ipynb"
    table.settle()
    page.exchange()
    assert page.told["path"] == "elsewhere/new name.ipynb"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NoSpaceError("Full."), "no-space"),
        (QuotaError("Too much."), "quota"),
        (NotWritableError("Archived."), "read-only"),
        (RoomFileError("Broken."), "failed"),
    ],
)
def test_people_are_told_why_it_is_not_saved_and_it_is_saved_later(table, error, state):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.file.fails["write"] = error
    table.settle()
    page.exchange()
    assert page.told["words"] == [{"state": state, "text": str(error), "by": ""}]
    assert not page.told["saved"]
    table.file.fails = {}
    table.later(20)
    page.exchange()
    assert page.told["words"] == []
    assert page.told["saved"]
    assert table.file.sources()[0] == "# typed\na = 1\n"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", THREE_CELLS[:40]])
def test_bytes_from_outside_that_are_no_notebook_are_a_version_before_they_are_replaced(table, data):
    page = table.page()
    table.file.put(data)
    table.settle()
    page.exchange()
    assert page.states() == ["unreadable"]
    assert table.file.data == data
    assert ("unreadable", frozenset(), data) in table.file.versions
    page.type("a", "# typed\n")
    page.exchange()
    table.settle()
    page.exchange()
    assert table.file.sources()[0] == "# typed\na = 1\n"
    assert page.states() == []


def test_what_cannot_be_kept_as_a_version_is_not_replaced(table):
    page = table.page()
    table.file.fails["keep_version"] = QuotaError("Too much.")
    outside = as_bytes(notebook(code("b", "b")))
    table.file.put(outside)
    page.type("a", "# typed\n")
    page.exchange()
    table.settle()
    page.exchange()
    assert table.file.data == outside
    assert page.states() == ["quota"]
    table.file.fails = {}
    table.later(20)
    table.settle()
    assert table.file.versions[0] == ("outside", frozenset(), outside)
    assert table.file.sources() == ["# typed\na = 1\n", "b"]


def test_a_file_that_is_being_written_is_left_to_be_finished(table):
    whole = as_bytes(notebook(*[code(f"x = {number}", f"n{number}") for number in range(20)]))
    table.page()
    for part in range(1, 5):
        table.file.put(whole[: len(whole) * part // 5])
        table.later(1.1)
    table.file.put(whole)
    table.settle()
    assert table.file.versions == [("outside", frozenset(), whole)]


def test_versions_are_one_in_ten_minutes_and_one_at_the_end(table):
    page = table.page(7)
    for _ in range(100):
        page.type("a", "x")
        page.exchange()
        table.later(15)
    reasons = [reason for reason, _authors, _data in table.file.versions]
    assert reasons == ["before", "typing", "typing"]
    page.type("a", "y")
    page.exchange()
    page.lose()
    table.settle()
    assert table.file.versions[0] == ("before", frozenset(), THREE_CELLS)
    assert table.file.versions[-1] == ("end", frozenset({7}), table.file.data)
    table.settle()
    assert len(table.file.versions) == 4


def test_a_room_is_idle_when_all_is_saved_and_everybody_has_left(table):
    page = table.page()
    page.type("a", "x")
    page.exchange()
    assert not table.room.idle
    page.lose()
    assert not table.room.idle
    table.settle()
    assert table.room.idle


def test_a_word_of_the_portal_is_told_until_it_is_over(table):
    page = table.page()
    table.room.announce(Word("read-only", "This Collab was archived."))
    page.exchange()
    assert page.states() == ["read-only"]
    table.room.retract("read-only")
    page.exchange()
    assert page.states() == []


@pytest.mark.parametrize("data", [b"{", b"", b"\xff"])
def test_what_is_no_notebook_has_no_room(tmp_path, data):
    with pytest.raises(NotADocumentError):
        Table(tmp_path, MemoryFile(data))


def test_what_is_too_large_has_no_room(tmp_path):
    with pytest.raises(NotADocumentError):
        Table(tmp_path, max_file=100)


def test_a_document_that_would_be_too_large_a_file_is_not_saved(tmp_path):
    table = Table(tmp_path, max_file=1000)
    page = table.page()
    page.type("a", "x" * 2000)
    page.exchange()
    table.settle()
    page.exchange()
    assert page.states() == ["failed"]
    assert table.file.data == THREE_CELLS


def test_a_document_does_not_grow_without_bound(tmp_path):
    table = Table(tmp_path, max_document=10_000)
    page = table.page()
    for _ in range(20):
        if page.connection.closed is None:
            page.type("a", "x" * 1000)
            page.send_some()
    assert page.connection.closed
    assert page.connection.closed[0] == 1003
    assert len(table.page(2).cells()[0][1]) < 10_000


def test_what_was_deleted_does_not_count_when_it_matters(tmp_path):
    table = Table(tmp_path, max_document=20_000)
    page = table.page()
    source = page.notebook.cells[0]["source"]
    for _ in range(40):
        page.type("a", "x" * 1000)
        page.send_some()
        del source[0:1000]
        page.send_some()
    assert page.connection.closed is None
    assert table.room.history.size < 20_000


def test_who_asks_for_the_document_again_and_again_and_reads_nothing_is_cut(tmp_path):
    table = Table(tmp_path, MemoryFile(b"x" * 10_000), Kind.TEXT, max_queue=25_000)
    page = table.page()
    asks = messages.sync_step1(b"\0")
    for _ in range(10):
        table.room.receive(page.connection, asks)
        page.connection.queued = sum(map(len, page.connection.inbox))
    assert page.connection.closed == (4429, "This connection is too slow.")
    assert len(page.connection.inbox) == 2


def test_a_document_may_be_larger_than_what_may_be_queued(tmp_path):
    page = Table(tmp_path, MemoryFile(b"x" * 10_000), Kind.TEXT, max_queue=5000).page()
    assert len(page.document.content()) == 10_000


@pytest.mark.parametrize("kind", Kind)
def test_the_document_of_a_room_that_was_closed_is_freed(tmp_path, kind):
    """Watchers of pycrdt's hold what they are given where Python's garbage collection does not see it."""
    table = Table(tmp_path, None if kind == Kind.NOTEBOOK else MemoryFile(b"one\n"), kind)
    page = table.page()
    page.exchange()
    page.lose()
    documents = [weakref.ref(table.room.history.document)]
    table.room.history._rebuild()  # as after a journal that could not be written
    documents.append(weakref.ref(table.room.history.document))
    run(table.room.close())
    del table.room
    gc.collect()
    assert [document() for document in documents] == [None, None]


def test_text_files_are_edited_together_too(tmp_path):
    table = Table(tmp_path, MemoryFile(b"one\r\ntwo\r\n"), Kind.TEXT)
    page, other = table.page(1), table.page(2)
    assert isinstance(page.document, PlainText)
    page.document._text.insert(0, "zero\n")
    page.exchange()
    other.exchange()
    table.file.put(b"one\r\ntwo and more\r\n")
    table.settle()
    other.exchange()
    assert other.document.content() == "zero\none\ntwo and more\n"
    assert table.file.data == b"zero\r\none\r\ntwo and more\r\n"


def test_closing_a_room_saves_and_tells_pages_to_come_again(table):
    page = table.page(4)
    page.type("a", "# typed\n")
    page.exchange()
    run(table.room.close())
    assert page.connection.closed[0] == 1013
    assert table.file.sources()[0] == "# typed\na = 1\n"
    page.lose()
    page.connect(table.open())
    assert page.connection.closed is None
    assert page.cells()[0] == ("a", "# typed\na = 1\n")
