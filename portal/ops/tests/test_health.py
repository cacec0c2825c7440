"""Monitors are told the truth, quickly, and strangers no more than whether the site is up."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings
from redis.exceptions import RedisError

from conftest import Queue
from lab import health as lab_health
from lab.launchers import LauncherUnavailableError
from lab.launchers.sandbox import SandboxLauncher
from portal.models import User
from portal.ops import database_version, health
from portal.ops.health import HealthChecker, Part, overall_status
from portal.version import VERSION
from rooms import health as rooms_health

NAMES = {"database", "migrations", "broker", "cache", "drive", "rooms", "supervisor", "relay", "api-relay", "webdav"}


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No answer of an earlier test, and time for a busy machine."""
    monkeypatch.setattr(health, "TIMEOUT", 30.0)
    health.HEALTH.forget()
    yield
    health.HEALTH.forget()


@pytest.fixture(autouse=True)
def supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers, and relays and rooms; there are none in these tests."""
    monkeypatch.setattr(rooms_health, "answers", lambda: None)
    monkeypatch.setattr(SandboxLauncher, "ping", lambda self, timeout: None)
    monkeypatch.setattr(lab_health, "connect_to", lambda name: None)


def test_it_lives_without_anything(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "cursor", lambda: pytest.fail("the database was asked"))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


def test_it_says_to_strangers_that_it_is_ready_and_no_more(
    client: Client, owner: User, sign_in: Callable[[User], Client]
) -> None:
    for browser in (client, sign_in(owner)):
        assert browser.get("/readyz").json() == {"status": "ok", "version": VERSION}


def test_it_tells_operators_how_each_part_is(operator: User, sign_in: Callable[[User], Client]) -> None:
    answer = sign_in(operator).get("/readyz").json()
    assert answer["status"] == "ok"
    assert set(answer["parts"]) == NAMES
    for part in answer["parts"].values():
        assert part["status"] == "ok"
        assert part["milliseconds"] >= 0


def test_it_tells_a_monitor_with_the_token(client: Client, db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-long-token-of-the-monitor"
    right = client.get("/readyz", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"})
    assert set(right.json()["parts"]) == NAMES
    for wrong in ("Bearer x", "Bearer", f"Basic {settings.METRICS_TOKEN}", "", "Bearer é"):
        assert "parts" not in client.get("/readyz", headers={"Authorization": wrong}).json()
    settings.METRICS_TOKEN = ""
    assert "parts" not in client.get("/readyz", headers={"Authorization": "Bearer "}).json()


def test_it_stays_ready_without_what_pages_do_without(
    operator: User, sign_in: Callable[[User], Client], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: SandboxLauncher, timeout: float) -> None:
        raise LauncherUnavailableError("nobody there")

    def refused(*_name: str) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(SandboxLauncher, "ping", away)
    monkeypatch.setattr(lab_health, "connect_to", refused)
    monkeypatch.setattr(rooms_health, "answers", refused)
    queue.up = False
    answer = sign_in(operator).get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    failed = {name for name, part in answer.json()["parts"].items() if part["status"] == "failed"}
    assert failed == {"broker", "rooms", "supervisor", "relay", "api-relay", "webdav"}
    assert "nobody there" in answer.json()["parts"]["supervisor"]["why"]


def test_it_is_not_deceived_by_a_cache_that_makes_do_without_redis(settings: Settings, tmp_path: Path) -> None:
    backend = {"BACKEND": "portal.ops.cache.SharedCache", "LOCATION": f"unix://{tmp_path}/nobody.sock"}
    settings.CACHES = {"default": backend}
    caches["default"].set("a", 1)
    assert caches["default"].get("a") == 1
    with pytest.raises(RedisError):
        health._cache()


def test_it_is_not_ready_without_a_database(
    client: Client, operator: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = "a-long-token-of-the-monitor"
    client.force_login(operator)

    def refuse() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(health, "_database", refuse)
    stranger = client.get("/readyz")  # also an operator is one, while nobody can say who is
    assert (stranger.status_code, stranger.json()) == (503, {"status": "failed", "version": VERSION})
    token = client.get("/readyz", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"})
    assert token.json()["parts"]["database"]["status"] == "failed"


def test_it_is_not_ready_before_all_migrations_are_applied(client: Client, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'portal'")
    health._migrations()
    original = database_version.MigrationRecorder.applied_migrations
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            database_version.MigrationRecorder,
            "applied_migrations",
            lambda self: {key: row for key, row in original(self).items() if key[0] != "lab"},
        )
        with pytest.raises(health.HealthCheckError, match=r"not applied: lab\.0001_squashed"):
            health._migrations()


def test_it_notices_a_drive_that_cannot_be_written(
    client: Client, operator: User, settings: Settings, sign_in: Callable[[User], Client]
) -> None:
    settings.DRIVE_ROOT = settings.DRIVE_ROOT / "gone"
    answer = sign_in(operator).get("/readyz").json()
    assert answer["parts"]["drive"]["status"] == "failed"


def test_it_leaves_nothing_on_the_drive(operator: User, settings: Settings, sign_in: Callable[[User], Client]) -> None:
    assert sign_in(operator).get("/readyz").json()["parts"]["drive"]["status"] == "ok"
    assert list((settings.DRIVE_ROOT / "staging").iterdir()) == []


def test_it_does_not_wait_for_a_part_that_hangs_and_asks_it_once() -> None:
    free, asked = threading.Event(), []

    def hang() -> None:
        asked.append("hanging")
        free.wait(30)

    checker, parts = (
        HealthChecker(),
        [Part("hanging", hang), Part("quick", lambda: asked.append("quick"), needed=False)],
    )
    for _ in range(3):
        hanging, quick = checker.ask(parts, timeout=0.05)
        assert (hanging.ok, hanging.why, quick.ok) == (False, "no answer within 0.05 seconds", True)
        checker.forget()
    assert (asked.count("hanging"), asked.count("quick")) == (1, 3)
    assert overall_status([hanging, quick]) == "failed"
    free.set()
    checker._running["hanging"].result(5)
    checker.forget()
    assert checker.ask(parts, timeout=5)[0].ok  # what it said at last
    checker.forget()
    assert checker.ask(parts, timeout=5)[0].ok
    assert asked.count("hanging") == 2


def test_it_asks_once_for_many_who_ask_at_the_same_time() -> None:
    asked: list[int] = []
    checker, parts = HealthChecker(), [Part("part", lambda: asked.append(1))]
    threads = [threading.Thread(target=checker.ask, args=(parts,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_it_asks_only_to_be_read(client: Client) -> None:
    for address in ("/healthz", "/readyz"):
        assert client.post(address).status_code == 405
