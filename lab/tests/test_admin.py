"""What operators see and do."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from lab.launchers import ServerStatus
from lab.models import Build, Environment, Server, State, StopReason
from portal import audit
from portal.models import User

from .inprocess import InProcessLauncher

pytestmark = pytest.mark.django_db

SERVERS = "/admin/lab/server/"


@pytest.fixture
def desk(operator: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(operator)


def act(desk: Client, action: str, *servers: Server) -> str:
    form = {"action": action, "_selected_action": [str(server.pk) for server in servers]}
    return desk.post(SERVERS, form, follow=True).content.decode()


@pytest.fixture(autouse=True)
def no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.admin.MOMENT", 0.001)


def test_it_shows_memory_with_two_questions_per_page(
    desk: Client, server: Callable[..., Server], person: Callable[..., User], launcher: InProcessLauncher
) -> None:
    for name in ("ada", "ben", "cleo"):
        server("running", owner=person(name))
    text = desk.get(SERVERS).content.decode()
    assert text.count("95 MiB") == 3
    assert launcher.calls == ["inspect", "inspect"]


def test_it_says_what_a_lab_takes_of_the_processors_now(
    desk: Client, running: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([100.0, 100.0 + 2 * 1.5])
    monkeypatch.setattr(launcher, "inspect", lambda: {running.pk: ServerStatus(running.pk, "running", 1, next(looks))})
    clock = iter([10.0, 12.0])
    monkeypatch.setattr("lab.admin.time", SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: next(clock)))
    assert "150% now, 1 minute in all" in desk.get(SERVERS).content.decode()


def test_it_asks_nobody_about_servers_that_ended(
    desk: Client, server: Callable[..., Server], launcher: InProcessLauncher
) -> None:
    server("stopped")
    desk.get(SERVERS)
    assert launcher.calls == []


def test_it_needs_no_more_queries_for_more_servers(
    desk: Client, server: Callable[..., Server], person: Callable[..., User], django_assert_max_num_queries
) -> None:
    for number in range(12):
        server("running", owner=person(f"p{number}"))
    with django_assert_max_num_queries(12):
        desk.get(SERVERS)


def test_it_works_without_the_supervisor(desk: Client, running: Server, launcher: InProcessLauncher) -> None:
    launcher.away = True
    assert "Memory and processor time are unknown" in desk.get(SERVERS).content.decode()


def test_it_stops(desk: Client, running: Server, operator: User) -> None:
    assert "1 of 1 Labs are being stopped" in act(desk, "stop", running)
    row = Server.objects.get()
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.OPERATOR)
    assert audit.trail(row).get().actor == operator


def test_it_launches_for_a_person(desk: Client, server: Callable[..., Server], owner: User) -> None:
    act(desk, "launch", server("stopped"))
    assert Server.objects.live().get().owner == owner


def test_it_does_not_show_tokens(desk: Client, running: Server) -> None:
    text = desk.get(f"{SERVERS}{running.pk}/change/").content.decode()
    assert running.owner.username in text
    assert running.token not in text


def test_it_shows_the_audit_trail(desk: Client, running: Server) -> None:
    act(desk, "stop", running)
    assert "stopped a Lab" in desk.get(f"{SERVERS}{running.pk}/change/").content.decode()


def test_it_lists_and_stops_at_the_terminal(running: Server) -> None:
    out = StringIO()
    call_command("servers", "list", stdout=out)
    assert "owner" in out.getvalue()
    assert "running" in out.getvalue()
    call_command("servers", "stop", "--all", stdout=out)
    assert "1 Lab stopped" in out.getvalue()
    assert Server.objects.get().state == State.STOPPED


def test_it_registers_an_environment(db: None, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python").touch()
    (tmp_path / "two/conda-meta").mkdir()
    call_command("lab_environment", "one", tmp_path / "one", stdout=StringIO())
    call_command("lab_environment", "two", tmp_path / "two", "--default", stdout=StringIO())
    call_command("lab_environment", "two", tmp_path / "two", "--name", "Two", stdout=StringIO())
    assert list(Environment.objects.values_list("slug", "name", "kind", "is_default").order_by("slug")) == [
        ("one", "one", "venv", False),
        ("two", "Two", "conda", True),
    ]
    with pytest.raises(CommandError):
        call_command("lab_environment", "three", tmp_path / "three", stdout=StringIO())


ENVIRONMENTS = "/admin/lab/environment/"


def add(desk: Client, **fields: str) -> str:
    """The page on which one ends."""
    form = {"name": "Brain", "slug": "brain", "kind": "venv", "packages": "", "channels": "", "prefix": "", **fields}
    return desk.post(f"{ENVIRONMENTS}add/", form, follow=True).content.decode()


def test_it_builds_an_environment_as_it_is_saved(desk: Client, environment: Environment) -> None:
    assert "Nothing yet." in add(desk, packages="networkx", _build="yes")
    assert Build.objects.get().environment.slug == "brain"
    assert "not built yet" in (text := desk.get(ENVIRONMENTS).content.decode())
    assert "latest build: queued" in text


def test_it_says_why_it_builds_nothing(desk: Client, environment: Environment) -> None:
    assert "has no packages to build from" in add(desk, _build="yes")
    assert not Build.objects.exists()


def test_it_registers_no_environment_that_is_not_there(desk: Client, tmp_path: Path, environment: Environment) -> None:
    assert f"There is no {tmp_path}/bin/python" in add(desk, prefix=str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    add(desk, prefix=str(tmp_path))
    assert Environment.objects.get(slug="brain").prefix == str(tmp_path)


def test_it_needs_no_more_queries_for_more_environments(
    desk: Client, environment: Environment, django_assert_max_num_queries
) -> None:
    for number in range(12):
        Environment.objects.create(slug=f"e{number}", name=f"E{number}")
    with django_assert_max_num_queries(8):
        desk.get(ENVIRONMENTS)
