"""What every test stands on: files of its own, commits that happen, no broker, and the people of the table.

The people are always the same: in Collab "Cortex" an owner (its administrator), an editor and a viewer; a stranger, who
belongs to nothing; and an operator, who may use the Django admin.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.test import Client, TestCase
from kombu.exceptions import OperationalError
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from console import announcements
from portal.models import User
from portal.ops import task_queue as portal_queue


def pytest_collection_finish() -> None:
    """Leave what is loaded by now, for the whole run, out of every look for garbage: a tenth of the time otherwise."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite as it is in use: a file in WAL mode, where threads wait for each other. In memory they fail instead."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def own_files(settings: Settings, tmp_path: Path) -> Path:
    """A Drive, a Lab and a place for sockets that belong to this test alone. Returns the Drive's root."""
    settings.DRIVE_ROOT = tmp_path / "drive"
    settings.LAB_ROOT = tmp_path / "lab"
    settings.RUN_DIR = tmp_path / "run"
    settings.PREVIEW_CACHE = tmp_path / "previews"
    for place in (settings.DRIVE_ROOT / "staging", settings.LAB_ROOT, settings.RUN_DIR):
        place.mkdir(parents=True)
    settings.FILE_UPLOAD_TEMP_DIR = str(settings.DRIVE_ROOT / "staging")
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    cache.clear()  # rate limits
    return settings.DRIVE_ROOT


@pytest.fixture(autouse=True)
def no_announcements(own_files: Path) -> None:
    """Known to be none, as on a site that has been running for a while: pages do not ask for them."""
    announcements._own.update(rows=[], until=float("inf"))


@pytest.fixture(autouse=True)
def commits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Commits happen in ordinary `db` tests too.

    pytest-django wraps a test into a transaction that is rolled back, so nothing is ever committed and `on_commit`
    never runs. Here leaving the outermost `atomic` of the code under test counts as its commit. Tests with threads or
    several connections take `transactional_db`, where commits are real.
    """
    marker = request.node.get_closest_marker("django_db")
    names = request.fixturenames
    real = "transactional_db" in names or (marker and marker.kwargs.get("transaction"))
    if real or not (marker or "db" in names):
        yield
        return
    request.getfixturevalue("db")  # its own transaction is open from here on
    with connection.execute_wrapper(_Commits()):
        yield


class _Commits:
    """Runs the callbacks of `on_commit` when the savepoint is released that stands for the code's own transaction.

    What is registered outside of every block waits for the next statement; `flush` is for a test that sends none.
    """

    def __init__(self) -> None:
        self._open = 0
        self._capture()

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
    queue = Queue()

    def send(name: str, args: Sequence[Any], after: float) -> None:
        assert name in current_app.tasks, f"{name} is no task"
        if not queue.up:
            raise OperationalError("away")
        queue.append((name, *args))

    current_app.loader.import_default_modules()
    monkeypatch.setattr(portal_queue, "_send", send)
    monkeypatch.setattr(portal_queue, "_ask", lambda: queue.up)
    monkeypatch.setitem(portal_queue._last, "asked", float("-inf"))
    return queue


Sleep = Callable[[ModuleType, Callable[[float], object]], None]


@pytest.fixture
def sleep_in(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    """Has one module sleep in another way: `sleep_in(lifecycle, lambda seconds: None)`. Other threads sleep on."""

    def replace(module: ModuleType, sleep: Callable[[float], object]) -> None:
        monkeypatch.setattr(module, "time", SimpleNamespace(**vars(time) | {"sleep": sleep}))

    return replace


PASSWORD = "correct-horse-battery"


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes people: `person("ada", first_name="Ada")`. Their password is `conftest.PASSWORD`."""

    def make(username: str, **fields: Any) -> User:
        fields.setdefault("email", f"{username}@example.org")
        return User.objects.create_user(username, password=PASSWORD, **fields)

    return make


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """A browser with this person signed in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def owner(person: Callable[..., User]) -> User:
    return person("owner", first_name="Olga", last_name="Owner")


@pytest.fixture
def editor(person: Callable[..., User]) -> User:
    return person("editor", first_name="Emil", last_name="Editor")


@pytest.fixture
def viewer(person: Callable[..., User]) -> User:
    return person("viewer", first_name="Vera", last_name="Viewer")


@pytest.fixture
def stranger(person: Callable[..., User]) -> User:
    return person("stranger")


@pytest.fixture
def operator(person: Callable[..., User]) -> User:
    return person("operator", is_staff=True, is_superuser=True)


@pytest.fixture
def collab(owner: User, editor: User, viewer: User) -> Collab:
    """The private Collab "Cortex", with its library, its administrator, an editor and a viewer."""
    return _with_team(collab_services.create_collab(owner, title="Cortex"), owner, editor, viewer)


@pytest.fixture
def public_collab(owner: User, editor: User, viewer: User) -> Collab:
    """As `collab`, but public: "Open Cortex"."""
    created = collab_services.create_collab(owner, title="Open Cortex", description="For everybody.", is_public=True)
    return _with_team(created, owner, editor, viewer)


def _with_team(collab: Collab, owner: User, editor: User, viewer: User) -> Collab:
    collab_services.add_member(owner, collab, editor, Role.EDITOR)
    collab_services.add_member(owner, collab, viewer, Role.VIEWER)
    return collab
