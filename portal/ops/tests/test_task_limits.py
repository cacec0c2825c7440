"""Time limits of tasks in threads: an exception at the soft one, the end of the process at the hard one."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery, Task
from celery.contrib.testing.worker import start_worker
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_postrun, task_prerun

from portal.ops import task_limits
from portal.ops.task_limits import TaskLimits


@pytest.fixture
def app() -> Celery:
    return Celery("limits", broker="memory://", set_as_current=False)


@pytest.fixture
def task(app: Celery) -> Callable[..., Task]:
    """Makes a task with these limits, in seconds."""

    def nothing() -> None:
        """What is measured is the time between its begin and its end."""

    return lambda **limits: app.task(name="slow", shared=False, **limits)(nothing)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_a_task_is_told_at_its_soft_limit(task: Callable[..., Task], threads: ThreadPoolExecutor) -> None:
    limits, begun = TaskLimits(), threading.Event()

    def run() -> str:
        try:
            limits.begin("1", task(soft_time_limit=0.01, time_limit=100))
            begun.set()
            while True:
                time.sleep(0.001)
        except SoftTimeLimitExceeded:
            limits.end("1")
            return "told"

    running = threads.submit(run)
    assert begun.wait(60)
    time.sleep(0.02)
    assert limits.look() == ""
    assert running.result(60) == "told"
    assert limits.look() == ""


def test_what_was_on_its_way_does_not_reach_the_next_task(
    task: Callable[..., Task], threads: ThreadPoolExecutor
) -> None:
    limits, begun, waits = TaskLimits(), threading.Event(), threading.Lock()
    waits.acquire()

    def run() -> str:
        limits.begin("1", task(soft_time_limit=0.01))
        begun.set()
        waits.acquire()  # it runs nothing of Python until it is released
        return "went on"

    running = threads.submit(run)
    assert begun.wait(60)
    time.sleep(0.1)
    limits.look()
    limits.end("1")
    waits.release()
    assert running.result(60) == "went on"


@pytest.mark.parametrize(("limits", "found"), [({"time_limit": 0.001}, "slow"), ({"time_limit": 100}, ""), ({}, "")])
def test_a_task_at_its_hard_limit_is_named(task: Callable[..., Task], limits: dict[str, float], found: str) -> None:
    known = TaskLimits()
    known.begin("1", task(**limits))
    time.sleep(0.01)
    assert known.look() == found
    known.end("1")
    assert known.look() == ""


def test_limits_of_the_site_hold_for_tasks_without(app: Celery, task: Callable[..., Task]) -> None:
    app.conf.task_time_limit = 0.001
    known = TaskLimits()
    known.begin("1", task())
    time.sleep(0.01)
    assert known.look() == "slow"


def test_the_process_ends_for_a_task_that_is_stuck(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(task_limits, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(task_limits, "LAST_SECONDS", 0)
    monkeypatch.setattr("os._exit", end)
    known = TaskLimits()
    known.begin("1", task(time_limit=0.001))
    with pytest.raises(SystemExit) as ended:
        known.watch()
    assert ended.value.code == 1
    assert "slow is over its time limit" in caplog.text


@pytest.mark.slow
def test_a_worker_of_threads_has_them(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery itself leaves limits out there."""
    monkeypatch.setattr(task_limits, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(task_limits, "LIMITS", TaskLimits())
    ended: list[Any] = []

    @app.task(name="busy", shared=False, soft_time_limit=0.05)  # type: ignore[call-overload]
    def busy() -> None:
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until:
                time.sleep(0.001)
        except SoftTimeLimitExceeded as error:
            ended.append(error)

    try:
        task_limits.watch("threads")
        with start_worker(app, pool="threads", perform_ping_check=False, loglevel="error", shutdown_timeout=60):
            busy.delay()
            until = time.monotonic() + 60
            while not ended and time.monotonic() < until:
                time.sleep(0.01)
    finally:
        task_prerun.disconnect(task_limits._begin)
        task_postrun.disconnect(task_limits._end)
    assert [type(error) for error in ended] == [SoftTimeLimitExceeded]
