"""What an operator sees of the real site: one number in all logs, whether the parts answer, and the counts."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings

from lab.models import State
from portal.ops import broker_stats
from portal.version import VERSION

from ..support.people import LAUNCH_SECONDS, Person
from ..support.site import CODE, METRICS_TOKEN, Site, eventually, wait_for

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
    assert ask("/readyz").json() in [{"status": status, "version": VERSION} for status in ("ok", "degraded")]
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


PROMETHEUS = CODE / "deploy/prometheus"
DASHBOARD = json.loads((CODE / "deploy/grafana/dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
VARIABLES = {"$job": "portal", "$__rate_interval": "1m"}


def filled_in(expression: str) -> str:
    """As Grafana asks: with the values of its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@pytest.mark.parametrize(
    "words", ["check rules alerts.yml", "test rules alerts_test.yml", "check config --syntax-only prometheus.yml"]
)
def test_prometheus_takes_the_samples(words: str) -> None:
    """By its own tool; the second has series for which each alert fires, or must not."""
    done = subprocess.run(["promtool", *words.split()], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text()))
    tried = (PROMETHEUS / "alerts_test.yml").read_text()
    assert {name for name in alerts if f"alertname: {name}," in tried} == alerts
    assert {name for name in alerts if f'alertname="{name}"' in tried} == alerts


@pytest.fixture
def prometheus(site: Site, tmp_path: Path) -> Iterator[str]:
    """Debian's Prometheus, which has scraped the site; the address of its API."""
    (tmp_path / "token").write_text(METRICS_TOKEN)
    host = settings.PORTAL_URL.partition("://")[2]
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: portal
    authorization: {{credentials_file: {tmp_path}/token}}
    static_configs: [{{targets: ["{host}"]}}]
rule_files: [{PROMETHEUS}/alerts.yml]
""")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    process = subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=subprocess.DEVNULL)
    try:
        wait_for(
            lambda: asked_of(f"http://{address}", 'up{job="portal"} == 1'), 60, "Prometheus does not scrape the site"
        )
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def asked_of(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """Values of an expression now; none while Prometheus does not answer. A wrong expression fails the test."""
    try:
        answer = requests.get(f"{prometheus}/api/v1/query", params={"query": expression}, timeout=30)
    except requests.ConnectionError:
        return []
    if answer.status_code == 503:  # it is starting
        return []
    said = answer.json()
    assert said["status"] == "success", (expression, said)
    found: list[dict[str, Any]] = said["data"]["result"]
    return found


def test_the_dashboard_asks_what_prometheus_knows_of_the_site(prometheus: str, owner: Person) -> None:
    owner.get("/drive/")
    for expression in EXPRESSIONS:
        asked_of(prometheus, filled_in(expression))
    told = {row["metric"]["__name__"] for row in asked_of(prometheus, '{job="portal"}')}
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"collaboratory_\w+", expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told}
    counted_later = {"collaboratory_lab_launches_total", "collaboratory_lab_stops_total", "collaboratory_tasks_total"}
    assert {re.sub(r"_bucket$", "", name) for name in asked} - families <= counted_later | {
        "collaboratory_lab_launch_duration_seconds"
    }
    parts = {row["metric"]["part"] for row in asked_of(prometheus, filled_in(EXPRESSIONS[0]))}
    assert {"database", "broker", "supervisor"} <= parts


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """As far as that can be told without a Grafana: the fields that its model of dashboards asks for."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(DASHBOARD)
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in DASHBOARD["panels"]]
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert all(x + w <= 24 for x, _y, w, _h in places)
    names = {f"${{{one['name']}}}" for one in DASHBOARD["templating"]["list"]}
    assert {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]} <= names
