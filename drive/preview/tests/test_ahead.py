"""Notebooks are rendered soon after a save, each once in two minutes, and ten thousand uploads fill no queue."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from conftest import Queue
from drive import tasks
from drive.files import operations, together
from drive.models import File, Library, Via
from drive.preview import ahead, rendering, sandbox
from drive.storage import open_library
from drive.versions import records
from portal.models import User
from portal.ops import task_queue

pytestmark = pytest.mark.django_db

TASK = "drive.tasks.render_ahead"


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What went into the sandbox, in whose place something stands that only notes it, always gently."""
    seen: list[bytes] = []

    def render(what: str, source: BinaryIO, *, nice: int, **_: Any) -> bytes:
        assert nice == rendering.NICE
        seen.append(source.read())
        if seen[-1].startswith(b"bad"):
            raise sandbox.RenderFailedError("Rendering takes too long.")
        return b"<h1>made</h1>"

    monkeypatch.setattr(sandbox, "render", render)
    return seen


class Clock:
    """The time, for `ahead` alone."""

    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ahead, "time", clock)
    return clock


class Messages(list[tuple[float, str]]):
    """Messages on their way: when they come, and for which library."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.most = 0

    def send(self, name: str, args: Any, after: float) -> None:
        if name == TASK:
            self.append((self.clock.now + after, args[0]))
            self.most = max(self.most, len(self))

    def work(self, seconds: float = 0) -> None:
        """What the workers do, in so many seconds."""
        until = self.clock.now + seconds
        while self and min(self)[0] <= until:
            due, library_id = min(self)
            self.remove((due, library_id))
            self.clock.now = max(self.clock.now, due)
            _expire(self.clock)
            tasks.render_ahead(library_id)
        self.clock.now = until
        _expire(self.clock)


def _expire(clock: Clock) -> None:
    """What the cache holds for some time is over by the same clock."""
    for key, until in list(_times.items()):
        if until <= clock.now:
            cache.delete(key)
            del _times[key]


_times: dict[str, float] = {}


@pytest.fixture
def messages(library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Messages:
    messages = Messages(clock)
    monkeypatch.setattr(task_queue, "_send", messages.send)
    _times.clear()

    def add(key: str, value: object, seconds: float) -> bool:
        added = cache.add(key, value, 3600)
        if added:
            _times[key] = clock.now + seconds
        return added

    methods = {name: getattr(cache, name) for name in ("delete", "get_many", "set")}
    monkeypatch.setattr(ahead, "cache", SimpleNamespace(add=add, **methods))
    return messages


@pytest.fixture
def save(editor: User, library: Library, messages: Messages) -> Callable[..., None]:
    """Somebody saves or uploads a file."""

    def save(content: bytes, name: str = "a.ipynb", by: User = editor) -> None:
        operations.write(by, library, name, content)

    return save


Save = Callable[..., None]


def test_it_is_rendered_a_few_seconds_after_the_save(save: Save, messages: Messages, rendered: list[bytes]) -> None:
    save(b"1")
    messages.work(ahead.SOON - 1)
    assert not rendered, "others may follow"
    save(b"2")
    messages.work(1)
    assert rendered == [b"2"]
    assert rendering.state(rendering.key(io.BytesIO(b"2"), "a.ipynb")).name == "ready"
    messages.work(ahead.SPAN * 2)
    assert rendered == [b"2"]
    assert not messages


@pytest.mark.slow
def test_it_is_rendered_once_in_two_minutes_and_the_last_save_always(
    save: Save, messages: Messages, rendered: list[bytes]
) -> None:
    """As one that is edited for six minutes, in Labs, in a room."""
    for number in range(90):
        save(b"%d" % number)
        messages.work(4)
    assert len(rendered) == 3
    assert messages.most <= 2
    messages.work(ahead.SPAN)
    assert rendered[-1] == b"89"
    assert not messages


def test_each_notebook_has_its_own_two_minutes(save: Save, messages: Messages, rendered: list[bytes]) -> None:
    save(b"a1")
    messages.work(90)
    save(b"b1", "b.ipynb")
    messages.work(10)
    save(b"b2", "b.ipynb")
    messages.work(10)
    save(b"a2")
    messages.work(ahead.SOON + ahead.SPAN - 110)
    assert rendered == [b"a1", b"b1", b"a2"]
    messages.work(ahead.SPAN)
    assert rendered[-1] == b"b2"
    assert not messages


@pytest.mark.slow
def test_ten_thousand_uploads_are_one_message_and_few_renderings(
    editor: User, library: Library, messages: Messages, rendered: list[bytes], save: Save, place: Path
) -> None:
    """Fifty a second; then the bound of the person is reached, and what is edited in a Lab has its own."""
    now = timezone.now()
    for batch in range(10):
        states = [(f"{batch} {n}.ipynb", records.State(f"s{n}", 1, now)) for n in range(1000)]
        for name, _state in states:
            (place / name).write_bytes(name.encode())
        records.copied(editor, library, states)
        for name, _state in states:
            ahead.wake(library.pk, name)
        messages.work(20)
    assert messages.most <= 2
    messages.work(ahead.LOOKED_BACK)
    assert len(rendered) == ahead.PER_PERSON
    assert not messages
    edited = {"signature": "another", "via": Via.LAB, "noted_at": timezone.now()}
    assert File.objects.filter(library=library, path="0 0.ipynb").update(**edited) == 1
    ahead.wake(library.pk, "0 0.ipynb")
    messages.work(ahead.SOON)
    assert rendered[ahead.PER_PERSON :] == [b"0 0.ipynb"]


def test_no_query_is_asked_for_it_while_somebody_saves(
    library: Library, messages: Messages, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        for name in ("a.ipynb", "b.ipynb", "text.txt"):
            ahead.wake(library.pk, name)
    assert len(messages) == 1


def test_what_is_no_notebook_or_too_large_is_left_alone(
    save: Save, messages: Messages, rendered: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MOST_BYTES", 10)
    for name in ("a.txt", "a.pdf", "ipynb", "a.ipynb.bak"):
        save(b"1", name)
    assert not messages
    save(b"x" * 11)
    save(b"1", "b.txt")
    messages.work(ahead.SPAN)
    assert not rendered
    assert not messages


@pytest.mark.slow
def test_a_copy_of_what_is_rendered_counts_for_nobody(save: Save, messages: Messages, rendered: list[bytes]) -> None:
    for number in range(ahead.PER_PERSON + ahead.MOST_READ):
        save(b"1", f"{number}.ipynb")
    save(b"2")
    messages.work(ahead.SOON)
    assert rendered == [b"2", b"1"]
    assert not messages


def test_every_way_of_saving_wakes_it_up(
    editor: User, library: Library, place: Path, messages: Messages, rendered: list[bytes]
) -> None:
    """Uploads and pages are one function; a room, a restored version, a copy, and what code in a Lab has written."""
    operations.write(editor, library, "a.ipynb", b"1")
    messages.work(ahead.SPAN)
    with open_library(library) as files:
        row = together.known_file(library, "a.ipynb", files)
        _entry, handle = together.save(row, b"2", files, if_match=files.stat("a.ipynb").etag, authors={editor.pk})
        os.close(handle)
    messages.work(ahead.SPAN)
    version = row.versions.get()
    operations.restore_version(editor, version, "a.ipynb")
    assert messages
    messages.work(ahead.SPAN)
    operations.copy(editor, library, "a.ipynb", library, "b.ipynb")
    assert messages
    messages.work(ahead.SPAN)
    (place / "c.ipynb").write_bytes(b"3")
    tasks.scan(str(library.pk))
    messages.work(ahead.SPAN)
    assert rendered == [b"1", b"2", b"3"]
    assert not messages


def test_what_was_not_saved_is_not_announced(save: Save, messages: Messages) -> None:
    with transaction.atomic():
        save(b"1")
        transaction.set_rollback(True)
    assert not messages


def test_it_waits_while_another_is_rendered_and_longer_for_whom_somebody_waits(
    save: Save, messages: Messages, rendered: list[bytes]
) -> None:
    save(b"1")
    with rendering._turn(ahead=False):
        messages.work(ahead.SOON)
        with pytest.raises(rendering.RenderBusyError):
            rendering.make(io.BytesIO(b"page"), "a.ipynb")
    messages.work(ahead.BUSY)
    assert not rendered, "the page's is first"
    (rendering.settings.PREVIEW_CACHE / "waits").unlink()
    messages.work(ahead.BUSY)
    assert rendered == [b"1"]


def test_what_fails_is_left_to_who_looks_at_it(save: Save, messages: Messages, rendered: list[bytes]) -> None:
    save(b"bad")
    messages.work(ahead.SPAN * 2)
    assert rendered == [b"bad"]
    assert rendering.state(rendering.key(io.BytesIO(b"bad"), "a.ipynb")).name == "none"


def test_it_is_sent_again_when_the_broker_has_lost_it(
    save: Save, messages: Messages, rendered: list[bytes], clock: Clock
) -> None:
    save(b"1")
    messages.clear()
    clock.now += ahead.SOON + ahead.LOST
    _expire(clock)
    save(b"2")
    messages.work(ahead.SOON)
    assert rendered == [b"2"]


def test_a_save_goes_on_while_the_broker_is_away(editor: User, library: Library, queue: Queue) -> None:
    queue.up = False
    assert operations.write(editor, library, "a.ipynb", b"1").size == 1


def test_it_follows_no_link_and_says_nothing_of_what_is_gone(
    save: Save, messages: Messages, rendered: list[bytes], place: Path
) -> None:
    save(b"1")
    save(b"1", "b.ipynb")
    (place / "a.ipynb").unlink()
    (place / "a.ipynb").symlink_to("/etc/passwd")
    (place / "b.ipynb").unlink()
    messages.work(ahead.SPAN)
    assert not rendered
    assert not messages


def test_its_look_at_the_rows_is_one_query(
    save: Save, messages: Messages, library: Library, rendered: list[bytes]
) -> None:
    for number in range(5):
        save(b"%d" % number, f"{number}.ipynb")
    with CaptureQueriesContext(connection) as queries:
        ahead.render_next(library)
    assert len([query for query in queries if "drive_file" in query["sql"]]) == 1
