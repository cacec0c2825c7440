"""The journal of a room survives being cut off at any byte, and a loss of power."""

import os

import pytest

from rooms.documents.base import NotRenderableError
from rooms.documents.notebook import Notebook
from rooms.documents.tests.notebooks import as_bytes, code, notebook
from rooms.room.history import History
from rooms.room.journal import Journal, JournalError, Record, RecordKind, left_at, note_restored, place_of

from .support import Table, run

SOME = [
    Record(RecordKind.EPOCH, b"e" * 16),
    Record(RecordKind.PLACE, "über".encode()),
    Record(RecordKind.UPDATE, bytes(range(256))),
    Record(RecordKind.VERSION, b""),
    Record(RecordKind.LEFT, (1_800_000_000).to_bytes(8, "little")),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "room.journal"


def written(path):
    journal = Journal(path)
    assert journal.open() == []
    for record in SOME:
        journal.append(RecordKind(record.kind), record.payload)
    journal.sync()
    journal.close()
    return path.read_bytes()


def reopened(path):
    journal = Journal(path)
    records = journal.open()
    journal.append(RecordKind.VERSION, b"after")
    assert journal.read() == [*records, Record(RecordKind.VERSION, b"after")]
    journal.close()
    return records


def test_what_was_appended_is_read_again(path):
    written(path)
    assert place_of(path) == "über"
    assert left_at(path) == 1_800_000_000
    assert reopened(path) == SOME
    assert path.stat().st_mode & 0o777 == 0o600


def test_cut_off_at_any_byte_the_whole_records_before_it_remain(path):
    data = written(path)
    for size in range(len(data)):
        path.write_bytes(data[:size])
        records = reopened(path)
        assert records == SOME[: len(records)]
        assert len(records) == sum(end <= size for end in ends())


def ends():
    at, found = 8, []
    for record in SOME:
        at += len(record.encode())
        found.append(at)
    return found


def test_a_block_of_zeros_at_the_end_is_no_record(path):
    """What some file systems leave after a loss of power."""
    data = written(path)
    path.write_bytes(data[: ends()[2]] + bytes(4096))
    assert reopened(path) == SOME[:3]


def test_a_damaged_byte_ends_the_journal_there(path):
    data = bytearray(written(path))
    data[ends()[1] + 20] ^= 1
    path.write_bytes(data)
    assert reopened(path) == SOME[:2]


@pytest.mark.parametrize("data", [b"something else", b"ROOMJ2\r\n....", b"x"])
def test_another_file_is_not_taken_for_a_journal(path, data):
    path.write_bytes(data)
    with pytest.raises(JournalError):
        Journal(path).open()
    assert path.read_bytes() == data


def test_what_is_appended_during_a_replacement_is_in_it(path):
    written(path)
    journal = Journal(path)
    journal.open()
    journal.begin_replacement()
    journal.append(RecordKind.UPDATE, b"one")
    journal.write_replacement(SOME[:1])
    journal.append(RecordKind.UPDATE, b"two")
    journal.replace()
    journal.append(RecordKind.UPDATE, b"three")
    journal.sync()
    assert [record.payload for record in journal.read()] == [b"e" * 16, b"one", b"two", b"three"]
    assert journal.size == path.stat().st_size
    journal.close()
    assert list(path.parent.glob(f"{path.name}*")) == [path]


def test_a_replacement_that_was_not_finished_is_forgotten(path):
    written(path)
    journal = Journal(path)
    journal.open()
    journal.begin_replacement()
    journal.write_replacement(SOME[:1])
    journal.close()  # killed here
    assert reopened(path) == SOME
    assert list(path.parent.glob(f"{path.name}*")) == [path]


def test_a_full_disk_leaves_the_journal_as_it_was(path, monkeypatch):
    written(path)
    journal = Journal(path)
    journal.open()
    real = os.write

    def full(fd, data):
        if len(data) > 5:
            return real(fd, data[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rooms.room.journal.os.write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append(RecordKind.UPDATE, b"never there")
    journal.append(RecordKind.UPDATE, b"there")
    assert journal.read() == [*SOME, Record(RecordKind.UPDATE, b"there")]


# A room with its journal


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def test_what_was_typed_survives_a_kill(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    epoch = table.room.epoch
    table.kill()
    assert table.open().epoch == epoch
    assert table.page(2).cells()[0] == ("a", "# typed\na = 1\n")
    table.settle()
    assert table.file.sources()[0] == "# typed\na = 1\n"


@pytest.mark.slow
def test_a_room_whose_journal_was_cut_off_at_any_byte_loses_only_what_was_behind(table):
    page, typed = table.page(), []
    for number in range(6):
        page.type("b", f"<{number}>")
        page.exchange()
        typed.append(table.journal.stat().st_size)
    table.kill()
    page.lose()
    data, file = table.journal.read_bytes(), table.file.data
    for size in range(len(data)):
        table.journal.write_bytes(data[:size])
        table.file.data, table.file.number = file, 1
        table.open()
        kept = sum(end <= size for end in typed)
        text = dict(table.page(2).cells())["b"]
        assert text == "".join(f"<{number}>" for number in reversed(range(kept))) + "b = 2\n"
        table.kill()


def test_a_page_makes_good_what_a_loss_of_power_took(table):
    page = table.page()
    table.later(2)
    synced = table.journal.read_bytes()
    page.type("a", "# typed\n")
    page.exchange()
    table.kill()
    page.lose()
    table.journal.write_bytes(synced)
    page.connect(table.open())
    table.settle()
    assert table.file.sources()[0] == "# typed\na = 1\n"


def note(order, name, real, *words, **more):
    order.append(name)
    return real(*words, **more)


def test_the_journal_is_synced_before_the_file_is_written(table, monkeypatch):
    """Else the file could survive a loss of power with what the journal does not have, and be merged: twice there."""
    order: list[str] = []
    sync, write = History.sync, table.file.write
    monkeypatch.setattr(History, "sync", lambda history: note(order, "sync", sync, history))
    monkeypatch.setattr(table.file, "write", lambda *words, **more: note(order, "write", write, *words, **more))
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    run(table.room.save())
    assert order[-3:] == ["sync", "write", "sync"]


@pytest.mark.parametrize("died", ["before", "after"])
def test_a_room_that_ended_between_the_rename_and_its_record_doubles_nothing(table, monkeypatch, died):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()

    class KilledError(Exception):
        pass

    def killed(*_words):
        raise KilledError

    if died == "before":
        monkeypatch.setattr(table.file, "write", lambda *words, **more: killed())
    else:
        monkeypatch.setattr(History, "note_saved", killed)
    with pytest.raises(KilledError):
        run(table.room.save())
    monkeypatch.undo()
    table.kill()
    page.lose()
    page.connect(table.open())
    page.type("b", "# more\n")
    page.exchange()
    table.settle()
    assert table.file.sources() == ["# typed\na = 1\n", "# more\nb = 2\n", "c = 3\n"]
    assert table.room.statistics.merges == 0


@pytest.mark.parametrize("died", ["before", "after"])
def test_what_was_written_from_outside_after_a_room_ended_in_mid_save_doubles_nothing(table, monkeypatch, died):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.settle()
    page.type("b", "# more\n")
    page.exchange()

    class KilledError(Exception):
        pass

    def killed(*_words):
        raise KilledError

    if died == "before":
        monkeypatch.setattr(table.file, "write", lambda *words, **more: killed())
    else:
        monkeypatch.setattr(History, "note_saved", killed)
    with pytest.raises(KilledError):
        run(table.room.save())
    monkeypatch.undo()
    table.kill()
    page.lose()
    table.file.put(table.file.read().data.replace(b"c = 3", b"c = 33"))
    page.connect(table.open())
    table.settle()
    assert table.file.sources() == ["# typed\na = 1\n", "# more\nb = 2\n", "c = 33\n"]


def test_a_backup_whose_file_is_older_than_its_journal_loses_nothing_and_pages_reload(table):
    page = table.page()
    page.type("a", "# in the file\n")
    page.exchange()
    table.settle()
    file = table.file.read().data
    page.type("b", "# in the journal\n")
    page.exchange()
    table.settle()
    journal = table.journal.read_bytes()
    page.type("c", "# after the backup\n")
    page.exchange()
    table.kill()
    page.lose()
    table.file.put(file)
    table.journal.write_bytes(journal)
    note_restored(table.journal)
    table.open()
    page.connect(table.room)
    assert page.connection.closed[0] == 1003
    expected = ["# in the file\na = 1\n", "# in the journal\nb = 2\n", "c = 3\n"]
    assert [source for _id, source in table.page(2).cells()] == expected
    table.settle()
    assert table.file.sources() == expected


def test_a_write_from_outside_that_was_merged_before_a_kill_is_not_merged_again(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.file.put(as_bytes(notebook(code("a = 1\n", "a"), code("b = 22\n", "b"), code("c = 3\n", "c"))))
    run(table.room.sync.look())
    run(table.room.sync.look())
    assert table.room.statistics.merges == 1
    table.kill()
    page.lose()
    page.connect(table.open())
    table.settle()
    assert table.file.sources() == ["# typed\na = 1\n", "b = 22\n", "c = 3\n"]
    assert table.room.statistics.merges == 0


def test_what_was_written_while_no_room_was_open_is_merged_when_it_opens(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.kill()
    table.file.put(as_bytes(notebook(code("a = 1\n", "a"), code("b = 22\n", "b"), code("c = 3\n", "c"))))
    table.open()
    table.settle()
    assert table.file.sources() == ["# typed\na = 1\n", "b = 22\n", "c = 3\n"]


def test_unreadable_bytes_that_were_written_while_no_room_was_open_are_a_version(table):
    page = table.page()
    page.type("a", "# typed\n")
    page.exchange()
    table.kill()
    table.file.put(b"{")
    table.open()
    assert ("unreadable", frozenset(), b"{") in table.file.versions
    table.page(2)
    table.settle()
    assert table.file.sources()[0] == "# typed\na = 1\n"


def test_who_typed_is_known_after_a_kill(table):
    page = table.page(17)
    page.type("a", "# typed\n")
    page.exchange()
    table.kill()
    table.open()
    table.settle()
    assert table.file.written_by == frozenset({17})


def test_a_long_journal_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("rooms.room.history.COMPACT_FROM", 3000)
    table = Table(tmp_path)
    page = table.page(17)
    sizes = []
    for number in range(300):
        page.type("a", f"{number} ")
        page.exchange()
        table.later(0.5)
        sizes.append(table.journal.stat().st_size)
    assert max(sizes) < 20_000
    assert sizes != sorted(sizes)
    table.kill()
    page.lose()
    page.connect(table.open())
    page.type("a", "last ")
    page.exchange()
    table.file.put(table.file.read().data.replace(b"b = 2", b"b = 22"))
    table.settle()
    assert table.file.sources()[:2] == ["last " + "".join(f"{n} " for n in range(299, -1, -1)) + "a = 1\n", "b = 22\n"]
    page.exchange()
    assert table.page(2).cells() == page.cells()


def test_a_journal_that_is_none_is_set_aside_and_pages_reload(table):
    page = table.page()
    session = table.room.session_id(may_write=True)
    table.kill()
    page.lose()
    table.journal.write_bytes(b"damaged")
    table.open()
    page.connect(table.room, session=session)
    assert page.connection.closed[0] == 1003
    assert table.journal.with_suffix(".damaged").read_bytes() == b"damaged"


def test_a_full_disk_is_told_and_nothing_is_shared_that_is_not_kept(table, monkeypatch):
    page, other = table.page(1), table.page(2)

    def full(*_words):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        page.type("a", "# typed\n")
        page.send_some()
        other.exchange()
        assert page.connection.closed[0] == 1013
        assert other.cells()[0] == ("a", "a = 1\n")
        assert other.states() == ["no-space"]
    page.lose()
    page.connect(table.room)
    other.exchange()
    table.later(2)
    other.exchange()
    assert other.cells()[0] == ("a", "# typed\na = 1\n")
    assert other.states() == []


def test_a_document_that_cannot_be_rendered_goes_back_to_what_was_saved(table, monkeypatch):
    page = table.page()
    page.type("a", "# saved\n")
    page.exchange()
    table.settle()
    page.type("a", "# damaged\n")
    page.exchange()
    real = Notebook.content

    def damaged(document):
        content = real(document)
        if "damaged" in content["cells"][0]["source"]:
            raise NotRenderableError("It has no shape.")
        return content

    monkeypatch.setattr(Notebook, "content", damaged)
    table.settle()
    assert page.connection.closed[0] == 1003
    assert table.page(2).cells()[0] == ("a", "# saved\na = 1\n")
    other = table.page(3)
    other.type("b", "# goes on\n")
    other.exchange()
    table.settle()
    assert table.file.sources() == ["# saved\na = 1\n", "# goes on\nb = 2\n", "c = 3\n"]
    assert list(table.journal.parent.glob("*.damaged*"))
