"""Work is queued after the commit, and a broker that is away fails no page."""

import pytest
from django.db import transaction

from conftest import Queue
from portal.celery import app
from portal.ops import task_queue as portal_queue
from portal.ops.task_queue import broker_is_up, enqueue, publish, without_broker


@app.task
def work(number: int) -> None:
    """Never runs here."""


def test_it_queues_after_the_commit(db: None, queue: Queue) -> None:
    with transaction.atomic():
        enqueue(work.name, 7)
        assert queue == []
    assert queue == [(work.name, 7)]


def test_it_queues_nothing_for_a_change_that_was_undone(db: None, queue: Queue) -> None:
    with transaction.atomic():
        enqueue(work.name, 7)
        transaction.set_rollback(True)
    assert queue == []


def test_a_name_that_is_no_task_fails_the_test(db: None, queue: Queue) -> None:
    with pytest.raises(AssertionError, match="is no task"), transaction.atomic():
        publish("lab.tasks.lunch", 7)
    assert queue == []


def test_it_remembers_a_broker_that_is_away(db: None, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.up = False
    with transaction.atomic():
        enqueue(work.name, 7)
    monkeypatch.setattr(portal_queue, "_ask", lambda: pytest.fail("asked again at once"))
    assert not broker_is_up()


def test_it_sees_the_broker_come_back(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.up = False
    assert not broker_is_up()
    queue.up = True
    assert not broker_is_up()  # still believed
    monkeypatch.setattr(portal_queue, "ASK_EVERY", 0)
    assert broker_is_up()


def test_it_can_send_every_task() -> None:
    """Celery refuses a task whose soft limit, its own or the default, is above its hard one, and says so only then."""
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if name.split(".")[0] in ("portal", "collabs", "drive", "lab")]
    assert ours
    for task in ours:
        soft = task.soft_time_limit or app.conf.task_soft_time_limit
        assert soft < (task.time_limit or app.conf.task_time_limit), task.name


def test_nothing_is_queued_where_there_is_no_broker_yet(db: None, queue: Queue) -> None:
    with without_broker(), transaction.atomic():
        enqueue(work.name, 7)
    assert queue == []
    publish(work.name, 8)
    assert queue == [(work.name, 8)]
