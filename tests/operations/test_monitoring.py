"""What an operator sees of the real site: one number in all logs, whether the parts answer, and the counts."""

import os
import re
import signal

import pytest
import requests
from django.conf import settings

from lab.models import State
from portal.ops import broker_stats

from ..support.people import LAUNCH_SECONDS, Person
from ..support.site import METRICS_TOKEN, Site, eventually, wait_for

pytestmark = pytest.mark.sandbox
MONITOR = {"Authorization": f"Bearer {METRICS_TOKEN}"}


def ask(path: str, **headers: str) -> requests.Response:
    """As a monitor or a stranger."""
    return requests.get(f"{settings.PORTAL_URL}{path}", headers=headers, timeout=30)


def counted(name: str, **labels: str) -> float:
    """One value of `/metrics`; 0 where there is none yet."""
    text = ask("/metrics", **MONITOR).text
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    for line in text.splitlines():
        sample, _, value = line.rpartition(" ")
        if re.match(rf"{name}(\{{|$)", sample) and all(part in sample for part in wanted):
            return float(value)
    return 0


def test_it_names_one_request_in_the_logs_of_all_processes(site: Site, owner: Person) -> None:
    launched = counted("collaboratory_lab_launches_total", outcome="running")
    answer = owner.get("/lab/open", allow_redirects=False, headers={"X-Request-ID": "0" * 32})
    number = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", number)
    assert number != "0" * 32
    wait_for(lambda: owner.server().state == State.RUNNING, LAUNCH_SECONDS, "the Lab did not start")
    access = eventually((settings.VAR_DIR / "log/access.log").read_text, f" {number}\n")
    assert any(line.endswith(f" {number}") and '"GET /lab/open"' in line for line in access.splitlines())
    ours = f"request_id={number} server_id={owner.server().pk.hex}"
    log = eventually(site.log.read_text, ours, "INFO lab.supervisor: start")
    (start,) = [line for line in log.splitlines() if ours in line and "INFO lab.supervisor: start" in line]
    assert owner.user.email not in start
    wait_for(
        lambda: counted("collaboratory_lab_launches_total", outcome="running") == launched + 1, 30, "it was not counted"
    )
    assert counted("collaboratory_tasks_total", task="lab.tasks.launch", outcome="succeeded") >= 1


def test_it_gives_the_same_counts_whichever_process_is_asked(site: Site) -> None:
    labels = {"route": "collabs:directory", "method": "GET", "status": "200"}
    before = counted("collaboratory_http_requests_total", **labels)
    for _ in range(20):
        assert ask("/collabs/").status_code == 200
    wait_for(
        lambda: counted("collaboratory_http_requests_total", **labels) >= before + 20, 30, "requests were not counted"
    )
    told = [counted("collaboratory_http_requests_total", **labels) for _ in range(10)]
    assert told == sorted(told)  # by two processes in turn


def test_it_tells_how_long_the_queues_are(site: Site) -> None:
    for name in broker_stats.NAMES:
        assert f'collaboratory_queue_messages{{queue="{name}"}}' in ask("/metrics", **MONITOR).text


def test_it_guards_what_it_tells(site: Site) -> None:
    assert ask("/metrics").status_code == 401
    assert ask("/metrics", Authorization="Bearer guess").status_code == 401
    assert ask("/readyz").json() in ({"status": "ok"}, {"status": "degraded"})
    assert ask("/healthz").json() == {"status": "ok"}


def test_it_notices_a_supervisor_that_hangs_and_one_that_is_back(site: Site) -> None:
    def status() -> str:
        answer = ask("/readyz", **MONITOR)
        assert answer.status_code == 200
        return answer.json()["parts"]["supervisor"]["status"]

    wait_for(lambda: status() == "ok", 20, "the supervisor is away")
    process = site.pid("supervisor")
    os.kill(process, signal.SIGSTOP)
    try:
        wait_for(lambda: status() == "failed", 20, "nobody noticed")
        assert ask("/collabs/").status_code == 200
    finally:
        os.kill(process, signal.SIGCONT)
    wait_for(lambda: status() == "ok", 20, "nobody noticed that it is back")


def test_it_notices_a_broker_that_is_away(site: Site) -> None:
    process = site.pid("broker")
    os.kill(process, signal.SIGSTOP)
    try:
        wait_for(
            lambda: ask("/readyz", **MONITOR).json()["parts"]["broker"]["status"] == "failed", 20, "nobody noticed"
        )
        assert ask("/healthz").status_code == 200
        assert 'collaboratory_part_up{part="broker"} 0.0' in ask("/metrics", **MONITOR).text
    finally:
        os.kill(process, signal.SIGCONT)
    wait_for(lambda: ask("/readyz", **MONITOR).json()["status"] == "ok", 30, "it did not come back")
