"""What every test stands on: files of its own, commits that happen, no broker, and the people of the table.

The people are always the same: in Collab "Cortex" an owner (its administrator), an editor and a viewer; a stranger, who
belongs to nothing; and an operator, who may use the Django admin.
"""

import functools
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client, TestCase, override_settings
from kombu.exceptions import OperationalError
from pytest_django import DjangoDbBlocker

from collabs.models import Collab
from console import announcements
from portal.models import User
from portal.ops import task_queue as portal_queue
from portal.text import colouring
from portal.web import rate_limits
from tests.support.recorded_people import COLLABS, PASSWORD, PEOPLE, Recording, make_collab, make_person

DATABASE_WORDS = frozenset(
    "access admin announcements builds concurrency concurrent copies dashboard database deletion directory groups "
    "invitations layout lifecycle links lists maintenance metrics model models names notices people presence "
    "purge queue quota races reaper reconciler roles scan search services sharing stats table tokens trash "
    "usernames visibility".split()
)
"""Words in the names of test files whose subject the database can decide."""
PLACES = {"sandbox": {"tests"}, "browser": {"tests"}, "fuzz": {"api", "lab", "rooms"}}
"""Where bin/test looks for tests so marked: in each process, reading all of them takes as long as some of them."""


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark `database` what may come out differently on another database; PostgreSQL runs no more than that.

    That is what rests on locks, isolation and real commits, on search, on constraints and how their errors are told, on
    collations, aggregates, JSON and unions of rights, on the operators' lists, which order and filter by anything; and
    the tables of pages and operations, which ask for each of them. What is left asks simple questions by key, or none;
    so do the walks that are marked `any_database`, although their files have such a name.
    """
    for item in items:
        folders, words = item.nodeid.split("::")[0].split("/"), set(item.path.stem.split("_"))
        for marker, places in PLACES.items():
            assert folders[0] in places or not item.get_closest_marker(marker), f"{item.nodeid}: bin/test overlooks it"
        if item.get_closest_marker("any_database"):
            continue
        if words & DATABASE_WORDS or "backups" in folders or has_real_commits(item):
            item.add_marker("database")


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of every look for garbage, and look seldom: tests leave little."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite as it is in use: a file in WAL mode, where threads wait for each other. In memory they fail instead."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def light_settings() -> Iterator[None]:
    """Static files with no manifest, a cache in memory; a quick hash of passwords: the real one is slow by intent.

    Code is coloured however long it takes: on a busy machine, pages show it without colours.
    """
    storages = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with (
        override_settings(
            STORAGES=settings.STORAGES | storages,
            CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(colouring, "SECONDS", 120)
        yield


@pytest.fixture(autouse=True)
def own_files(light_settings: None, tmp_path: Path) -> Iterator[Path]:
    """A Drive, a Lab and a place for sockets that belong to this test alone. Returns the Drive's root."""
    drive, lab, run = (tmp_path / name for name in ("drive", "lab", "run"))
    staging = drive / "staging"
    for place in (drive, staging, lab, run):
        place.mkdir()
    cache.clear()  # rate limits
    with override_settings(  # at once: each change of its own is one more step to every setting that is read
        DRIVE_ROOT=drive,
        LAB_ROOT=lab,
        RUN_DIR=run,
        PREVIEW_CACHE=tmp_path / "previews",
        AUDIT_ARCHIVE=tmp_path / "audit",
        FILE_UPLOAD_TEMP_DIR=str(staging),
    ):
        yield drive


@pytest.fixture(autouse=True)
def no_announcements(own_files: Path) -> None:
    """Known to be none, as on a site that has been running for a while: pages do not ask for them."""
    announcements._own.update(rows=[], until=float("inf"))


@pytest.fixture(autouse=True)
def one_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a test is in one span of the rate limits: on a slow machine, or by chance, it would begin another."""
    monkeypatch.setattr(rate_limits, "time", SimpleNamespace(time=lambda: 1_800_000_000.0))


@pytest.fixture(autouse=True)
def commits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commits happen in ordinary `db` tests too.

    pytest-django wraps a test into a transaction that is rolled back, so nothing is ever committed and `on_commit`
    never runs. Here leaving the outermost `atomic` of the code under test counts as its commit. Tests with threads or
    several connections take `transactional_db`, where commits are real.
    """
    if has_real_commits(request.node):
        RECORDING.forget()
        yield
        return
    if "db" not in request.fixturenames and not request.node.get_closest_marker("django_db"):
        yield
        return
    request.getfixturevalue("db")  # its own transaction is open from here on
    commits = _Commits()
    monkeypatch.setattr(transaction, "on_commit", commits.on_commit)
    with connection.execute_wrapper(commits):
        yield


def has_real_commits(item: pytest.Item) -> bool:
    """Whether the test has no transaction around it."""
    marker = item.get_closest_marker("django_db")
    names = getattr(item, "fixturenames", ())
    return "transactional_db" in names or bool(marker and marker.kwargs.get("transaction"))


class _Commits:
    """Runs the callbacks of `on_commit` when the savepoint is released that stands for the code's own transaction.

    It is a wrapper of the connection's statements, and sees the savepoints among them.
    """

    def __init__(self) -> None:
        self._open, self._register = 0, transaction.on_commit
        self._capture()

    def on_commit(self, callback: Callable[[], object], using: str | None = None, robust: bool = False) -> None:
        """As Django's, which calls at once what is registered outside of every block."""
        self._register(callback, using, robust)
        if not self._open:
            self._run()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("SAVEPOINT "):
            self._open += 1
        elif sql.startswith("RELEASE SAVEPOINT "):
            self._open -= 1
            if not self._open:
                self._run()
        return result

    def _capture(self) -> None:
        self._captured = TestCase.captureOnCommitCallbacks()
        self._callbacks = self._captured.__enter__()

    def _run(self) -> None:
        callbacks = self._callbacks
        self._captured.__exit__(None, None, None)
        self._capture()  # a callback has commits of its own
        for callback in callbacks:
            callback()


class Queue(list[tuple[Any, ...]]):
    """What was handed to Celery: (task name, arguments…). `up = False` plays a broker that is away."""

    up = True

    def names(self) -> list[str]:
        """Names of the tasks, in order."""
        return [entry[0] for entry in self]


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Tasks are noted here, not sent: a test that wants one's effect calls the task's function."""
    return note_tasks(monkeypatch)


def note_tasks(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """As the fixture `queue`, for as long as the patch holds."""
    queue = Queue()

    def send(name: str, args: Sequence[Any], after: float) -> None:
        assert name in current_app.tasks, f"{name} is no task"
        if not queue.up:
            raise OperationalError("away")
        queue.append((name, *args))

    _import_tasks()
    monkeypatch.setattr(portal_queue, "_send", send)
    monkeypatch.setattr(portal_queue, "_ask", lambda: queue.up)
    monkeypatch.setitem(portal_queue._last, "asked", float("-inf"))
    return queue


@functools.cache
def _import_tasks() -> None:
    """Once: Celery has Django check all models each time."""
    current_app.loader.import_default_modules()


Sleep = Callable[[ModuleType, Callable[[float], object]], None]


@pytest.fixture
def sleep_in(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    """Has one module sleep in another way: `sleep_in(lifecycle, lambda seconds: None)`. Other threads sleep on."""

    def replace(module: ModuleType, sleep: Callable[[float], object]) -> None:
        monkeypatch.setattr(module, "time", SimpleNamespace(**vars(time) | {"sleep": sleep}))

    return replace


__all__ = ["PASSWORD", "Queue", "Sleep"]


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes people: `person("ada", first_name="Ada")`. Their password is `conftest.PASSWORD`."""
    return make_person


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """A browser with this person signed in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


RECORDING = Recording()


@pytest.fixture(scope="session")
def recording(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Recording:
    """The usual people and Collabs, made once: `recorded_people`."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        RECORDING.record(tmp_path_factory.mktemp("recording"), note_tasks(patch))
    return RECORDING


@pytest.fixture
def usual(
    request: pytest.FixtureRequest, recording: Recording, db: None, own_files: Path, queue: Queue
) -> Callable[..., Any]:
    """`usual("owner")`, `usual("collab", owner, editor, viewer)`: from the recording, or by the services.

    A test with real commits ends with empty tables, which get their content types anew: what was recorded is of no use.
    """

    def get(name: str, *people: User) -> Any:
        if recording and not has_real_commits(request.node):
            return recording.insert(name, own_files, queue)
        return make_collab(*people, **COLLABS[name]) if people else make_person(name, **PEOPLE[name])

    return get


@pytest.fixture
def owner(usual: Callable[..., User]) -> User:
    return usual("owner")


@pytest.fixture
def editor(usual: Callable[..., User]) -> User:
    return usual("editor")


@pytest.fixture
def viewer(usual: Callable[..., User]) -> User:
    return usual("viewer")


@pytest.fixture
def stranger(usual: Callable[..., User]) -> User:
    return usual("stranger")


@pytest.fixture
def operator(usual: Callable[..., User]) -> User:
    return usual("operator")


@pytest.fixture
def collab(usual: Callable[..., Collab], owner: User, editor: User, viewer: User) -> Collab:
    """The private Collab "Cortex", with its library, its administrator, an editor and a viewer."""
    return usual("collab", owner, editor, viewer)


@pytest.fixture
def public_collab(usual: Callable[..., Collab], owner: User, editor: User, viewer: User) -> Collab:
    """As `collab`, but public: "Open Cortex"."""
    return usual("public_collab", owner, editor, viewer)
