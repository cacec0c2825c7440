"""Prometheus is told what happens on the site, by whichever process it asks; nobody else is told."""

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from django.conf import settings as site_settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from collabs.models import Collab
from conftest import Queue
from lab.launchers.sandbox import SandboxLauncher
from lab.models import Environment, Server, State, StopReason
from lab.servers.services import stop_server
from portal import celery
from portal.models import User
from portal.ops import broker_stats, health, metrics, site_metrics
from portal.ops.metrics import Counter, Counts, Histogram

TOKEN = "a-long-token-of-the-monitor"
DOCS = site_settings.BASE_DIR / "docs/reference/metrics.md"


class Memory:
    """As much of Redis as is used here. `away` plays one that is not there."""

    def __init__(self) -> None:
        self.hash: defaultdict[bytes, float] = defaultdict(float)
        self.lists: defaultdict[str, list[bytes]] = defaultdict(list)
        self.away = False

    @contextmanager
    def pipeline(self, transaction: bool) -> Iterator["Memory"]:
        yield self

    def hincrbyfloat(self, key: str, field: str, amount: float) -> None:
        if self.away:
            raise redis.ConnectionError("away")
        self.hash[field.encode()] += amount

    def execute(self) -> None:
        return None

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        return {field: str(amount).encode() for field, amount in self.hash.items()}

    def llen(self, name: str) -> int:
        return len(self.lists[name])

    def lindex(self, name: str, index: int) -> bytes | None:
        return self.lists[name][index] if self.lists[name] else None

    def hlen(self, name: str) -> int:
        return 3


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """In the place of Redis; and nothing counted before.

    Each `Counts` has a thread that flushes it every few seconds: those of earlier tests must have nothing left to flush
    into this memory, and ours must not flush while a busy machine is in the middle of a test.
    """
    made = Memory()
    metrics.COUNTS._waiting.clear()
    monkeypatch.setattr(metrics, "FLUSH_EVERY", 3600.0)
    monkeypatch.setattr(metrics, "client", lambda: made)
    monkeypatch.setattr(site_metrics, "client", lambda: made)
    monkeypatch.setattr(metrics, "COUNTS", Counts())
    monkeypatch.setattr(SandboxLauncher, "ping", lambda self, timeout: None)
    monkeypatch.setattr(health, "TIMEOUT", 30.0)  # with a busy machine
    health.HEALTH.forget()
    yield made
    metrics.COUNTS._waiting.clear()
    health.HEALTH.forget()


Ask = Callable[..., dict[tuple[str, ...], float]]


@pytest.fixture
def ask(client: Client, db: None, settings: Settings) -> Ask:
    """Scraped samples by name and values of labels, in the order of their names."""
    settings.METRICS_TOKEN = TOKEN

    def read() -> dict[tuple[str, ...], float]:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(answer.content.decode()))
        samples = [sample for family in families for sample in family.samples]
        return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}

    return read


# Who may ask


def test_it_is_not_there_unless_somebody_may_ask(client: Client, db: None) -> None:
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_it_wants_the_token(client: Client, operator: User, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    client.force_login(operator)
    for wrong in ("", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"):
        answer = client.get("/metrics", headers={"Authorization": wrong})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert b"collaboratory_" not in answer.content


@pytest.mark.parametrize(
    ("address", "token", "status"),
    [
        ("10.0.0.5", TOKEN, 200),
        ("10.0.0.5", "", 401),
        ("10.0.1.5", TOKEN, 404),
        ("2001:db8::1", TOKEN, 200),
        ("2001:db9::1", TOKEN, 404),
    ],
)
def test_it_wants_the_address_too(
    client: Client, db: None, settings: Settings, address: str, token: str, status: int
) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.METRICS_FROM = [ip_network("10.0.0.0/24"), ip_network("2001:db8::/32")]
    headers = {"X-Forwarded-For": address, "Authorization": f"Bearer {token}"}
    assert client.get("/metrics", headers=headers, REMOTE_ADDR="").status_code == status


def test_it_takes_the_address_alone(client: Client, db: None, settings: Settings) -> None:
    settings.METRICS_FROM = [ip_network("10.0.0.5")]
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.5").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.6").status_code == 404
    forged = client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.5"}, REMOTE_ADDR="10.0.0.6")
    assert forged.status_code == 404


# What is counted


def test_it_counts_requests_by_route_and_not_by_name(
    ask: Ask, collab: Collab, viewer: User, sign_in: Callable[[User], Client]
) -> None:
    sign_in(viewer).get(f"/collabs/{collab.slug}/")
    sign_in(viewer).get(f"/collabs/{collab.slug}/settings/")
    sign_in(viewer).get("/no/such/page")
    sign_in(viewer).generic("BREW", "/")
    told = ask()
    total = "collaboratory_http_requests_total"
    assert told[total, "GET", "collabs:page", "200"] == 1
    assert told[total, "GET", "collabs:settings", "403"] == 1
    assert told[total, "GET", "none", "404"] == 1
    assert told[total, "other", "home", "405"] == 1
    assert told["collaboratory_http_request_duration_seconds_count", "GET", "collabs:page"] == 1
    assert not any(collab.slug in value for sample in told for value in sample)
    assert ask()[total, "GET", "metrics", "200"] == 1  # the one before


def test_it_gives_the_same_answer_in_every_process(memory: Memory) -> None:
    thing = Counter.made["collaboratory_lab_launches_total"]
    processes = [Counts(), Counts()]
    for counts in processes:
        counts.add([((thing.name, "running"), 2)])
        counts.flush()
        counts.flush()  # nothing is handed over twice
    assert metrics.stored()[thing.name] == {(thing.name, "running"): 4}


def test_it_keeps_what_redis_does_not_take(memory: Memory) -> None:
    thing = Counter.made["collaboratory_drive_captured_versions_total"]
    memory.away = True
    for _ in range(2):
        thing.add(5)
        metrics.COUNTS.flush()
    memory.away = False
    assert metrics.stored()[thing.name] == {(thing.name,): 10}


def test_it_counts_from_many_threads(memory: Memory) -> None:
    thing = Counter.made["collaboratory_drive_captured_versions_total"]

    def work() -> None:
        for number in range(200):
            thing.add()
            if number % 50 == 0:
                metrics.COUNTS.flush()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.stored()[thing.name] == {(thing.name,): 1600}


def test_it_passes_over_counts_of_another_version(memory: Memory, ask: Ask) -> None:
    memory.hash[json.dumps(["collaboratory_gone_total"]).encode()] = 1
    memory.hash[json.dumps(["collaboratory_lab_launches_total", "a", "b"]).encode()] = 1
    assert not any("gone" in sample[0] or "b" in sample for sample in ask())


def test_it_adds_up_buckets(memory: Memory) -> None:
    duration = Histogram("test_duration_seconds", "For this test.", buckets=(1, 2))
    try:
        for seconds in (0.5, 1, 1.5, 99):
            duration.observe(seconds)
        metrics.COUNTS.flush()
        family = duration.family(metrics.stored()[duration.name])
    finally:
        del Counter.made[duration.name]
    values = [sample.value for sample in family.samples]
    assert values == [2, 3, 4, 4, 102]  # up to 1, up to 2, any; how many, how long together


def test_it_counts_tasks(ask: Ask) -> None:
    task = SimpleNamespace(name="lab.tasks.launch", request=SimpleNamespace(headers={}, get={}.get))
    for state in ("SUCCESS", "FAILURE", "FAILURE", "RETRY", None):
        celery.begin_task(task_id="t", task=task)  # type: ignore[arg-type]
        celery.end_task(task_id="t", task=task, state=state)  # type: ignore[arg-type]
    told = ask()
    total = "collaboratory_tasks_total"
    outcomes = {"succeeded": 1, "failed": 2, "retried": 1, "other": 1}
    assert {name: told[total, name, "lab.tasks.launch"] for name in outcomes} == outcomes
    assert told["collaboratory_task_duration_seconds_count", "lab.tasks.launch"] == 5


# What is read


def test_it_tells_how_many_people_and_sessions_there_are(
    ask: Ask, owner: User, person: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person("gone", is_active=False)
    sign_in(owner)
    told = ask()
    assert (told["collaboratory_people", "active"], told["collaboratory_people", "inactive"]) == (1, 1)
    assert told["collaboratory_sessions",] == 1


def test_it_tells_of_labs(ask: Ask, owner: User) -> None:
    environment = Environment.objects.create(slug="base", name="Base", prefix="/srv/base")
    server = Server.objects.create(owner=owner, environment=environment, state=State.RUNNING)
    told = ask()
    assert (told["collaboratory_lab_servers", "running"], told["collaboratory_lab_servers", "starting"]) == (1, 0)
    stop_server(None, server, StopReason.IDLE)
    told = ask()
    assert told["collaboratory_lab_stops_total", "idle"] == 1
    assert (told["collaboratory_lab_servers", "running"], told["collaboratory_lab_servers", "stopping"]) == (0, 1)


def test_it_tells_of_queues(ask: Ask, memory: Memory) -> None:
    message = {"body": "", "headers": {"sent_at": time.time() - 100}}
    memory.lists["lab"] = [json.dumps({"headers": {}}).encode(), json.dumps(message).encode()]
    memory.lists["files"] = [json.dumps({"headers": {"sent_at": "soon"}}).encode()]
    told = ask()
    assert [told["collaboratory_queue_messages", name] for name in broker_stats.NAMES] == [0, 2, 1]
    ages = [told["collaboratory_queue_oldest_message_age_seconds", name] for name in broker_stats.NAMES]
    assert (ages[0], ages[2]) == (0, 0)
    assert 100 <= ages[1] < 200
    assert told["collaboratory_queue_taken_messages",] == 3


def test_it_knows_all_queues() -> None:
    procfile = (site_settings.BASE_DIR / "Procfile").read_text()
    assert set(re.findall(r"--queues (\S+)", procfile)) == set(broker_stats.NAMES)


def test_it_answers_without_its_broker(ask: Ask, memory: Memory, queue: Queue) -> None:
    queue.up, memory.away = False, True
    told = ask()
    assert told["collaboratory_part_up", "broker"] == 0
    assert told["collaboratory_part_up", "database"] == 1
    assert ("collaboratory_queue_messages", "lab") not in told
    assert ("collaboratory_sessions",) in told


def test_it_answers_without_its_database(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OSError("away")

    monkeypatch.setattr(health, "_database", away)
    told = ask()
    assert told["collaboratory_part_up", "database"] == 0
    assert ("collaboratory_sessions",) not in told
    assert ("collaboratory_drive_disk_free_bytes",) in told


def test_it_needs_the_same_queries_however_much_there_is(
    ask: Ask, owner: User, person: Callable[..., User], django_assert_max_num_queries: Callable
) -> None:
    for number in range(20):
        person(f"person{number}")
    with django_assert_max_num_queries(10):
        ask()


# The docs and the samples


def names_told(client: Client) -> set[str]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    return set(re.findall(r"^# TYPE (\S+) ", answer, re.MULTILINE))


def test_it_is_described_as_it_is(client: Client, db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    described = re.findall(r"^\| `(collaboratory_\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(described) == sorted(names_told(client))


def test_it_names_things_as_prometheus_wants(client: Client, db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)", answer, re.MULTILINE):
        assert re.fullmatch(r"collaboratory_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|gb)(_|$)", name)


@pytest.mark.parametrize("sample", ["alerts.yml", "prometheus.yml"])
def test_it_has_samples_that_ask_for_what_there_is(client: Client, db: None, settings: Settings, sample: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    text = Path(site_settings.BASE_DIR / "deploy/prometheus" / sample).read_text()
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bcollaboratory_\w+", text)}
    assert asked <= names_told(client)
    assert ("expr:" in text) == bool(asked)
