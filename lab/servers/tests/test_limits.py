"""What is limited, how many Labs there may be, and who is told; groups of both versions, on plain directories."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import Sleep
from lab import checks
from lab.group_limits import applying
from lab.launchers import ServerStatus
from lab.models import Environment, Server, State, StopReason
from lab.servers import lifecycle, limits, reconciler, services
from lab.supervisor import cgroups
from lab.supervisor.cgroups import Groups, Limits
from lab.tests.inprocess import InProcessLauncher
from notices.models import Kind, Notice
from portal.models import User

pytestmark = pytest.mark.django_db
GIB = 2**30


def running(user: User, environment: Environment, **more: object) -> Server:
    now = timezone.now()
    fields = {"state": State.RUNNING, "started_at": now, "last_interaction": now, "memory_limit": 2 * GIB}
    return Server.objects.create(owner=user, environment=environment, **fields | more)


def test_it_takes_the_environments_own_limits_before_the_sites(
    environment: Environment, owner: User, settings: Settings
) -> None:
    settings.LAB_MEMORY_LIMIT, settings.LAB_CPU_LIMIT, settings.LAB_PROCESS_LIMIT = 4 * GIB, 2.0, 500
    settings.LAB_DISK_LIMIT, settings.LAB_FILE_LIMIT = 20 * GIB, 9000
    sites = {"memory": 4 * GIB, "cpu": 2.0, "processes": 500, "disk": 20 * GIB, "files": 9000}
    assert applying(owner, environment).limits == sites
    environment.memory_mib, environment.cpu_limit, environment.process_limit, environment.disk_mib = 512, 0, 0, 64
    environment.file_limit = 70
    own = {"memory": 2**29, "cpu": 0, "processes": 0, "disk": 2**26, "files": 70}
    assert applying(owner, environment).limits == own


def test_it_tells_once_of_each_time_that_memory_ran_out(owner: User, environment: Environment) -> None:
    server = running(owner, environment)
    for kills in (0, 1, 1, 3, 2):
        server.refresh_from_db()
        reconciler.check(server, ServerStatus(server.pk, "running", memory_kills=kills))
    server.refresh_from_db()
    assert server.memory_kills == 3
    assert [note[7:44] for note in server.notes] == ["Your Lab ran out of memory at 2.0 GiB"] * 2
    assert Notice.objects.filter(user=owner, kind=Kind.LAB_WARNING).count() == 2


def test_it_tells_when_all_labs_together_ran_out_of_memory(owner: User, environment: Environment) -> None:
    server = running(owner, environment)
    status = ServerStatus(server.pk, "running", memory_kills=1, was_at_memory_limit=False)
    assert limits.why_it_died(server, status).startswith("the Labs of this site together ran out of memory")
    reconciler.check(server, status)
    server.refresh_from_db()
    [note] = server.notes
    assert "together ran out of memory" in note
    assert "2.0 GiB" not in note
    assert "together" in Notice.objects.get(user=owner, kind=Kind.LAB_WARNING).subject


def test_it_tells_once_of_each_time_that_the_disk_was_full(owner: User, environment: Environment) -> None:
    server = running(owner, environment, disk_limit=GIB)
    for kills in (0, 1, 1, 2):
        server.refresh_from_db()
        reconciler.check(server, ServerStatus(server.pk, "running", disk_kills=kills))
    server.refresh_from_db()
    assert (server.disk_kills, server.memory_kills) == (2, 0)
    assert ["disk is full" in note and "1.0 GiB" in note for note in server.notes] == [True, True]
    assert Notice.objects.filter(user=owner, kind=Kind.LAB_WARNING).count() == 2


def test_it_tells_once_of_each_time_that_there_were_too_many_files(owner: User, environment: Environment) -> None:
    server = running(owner, environment, file_limit=5000)
    for kills in (0, 1, 1, 2):
        server.refresh_from_db()
        reconciler.check(server, ServerStatus(server.pk, "running", file_kills=kills))
    server.refresh_from_db()
    assert (server.file_kills, server.disk_kills) == (2, 0)
    assert ["too many files" in note and "5,000" in note for note in server.notes] == [True, True]
    notices = Notice.objects.filter(user=owner, kind=Kind.LAB_WARNING)
    assert [notice.subject for notice in notices] == ["Your Lab has too many files: more than 5,000"] * 2


def test_it_tells_once_that_there_is_no_room_and_takes_the_note_away_when_there_is(
    owner: User, environment: Environment
) -> None:
    server = running(owner, environment)
    notes: list[list[str]] = []
    for why in ("", "quota", "quota", "disk", "", "quota"):
        server.refresh_from_db()
        reconciler.check(server, ServerStatus(server.pk, "running", drive_full_for=why))
        server.refresh_from_db()
        notes.append([" ".join(note.split(" ")[1:3]) for note in server.notes])
    assert notes == [[], ["A quota"], ["A quota"], ["The site's"], [], ["A quota"]]
    notices = Notice.objects.filter(user=owner, kind=Kind.LAB_WARNING)
    assert [notice.subject for notice in notices] == ["The Drive is full: your Lab can only read it for now"] * 3


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ({"memory_kills": 1}, "it ran out of memory at 2.0 GiB"),
        ({"ended_for": "disk"}, "it took up much more disk than 1.0 GiB"),
        ({"ended_for": "files"}, "it had many more files than 5,000"),
        ({"ended_for": "drive_files"}, "it made many more files in the Drive than the quota there allows"),
    ],
)
def test_it_says_which_limit_ended_the_whole_lab(
    owner: User,
    environment: Environment,
    launcher: InProcessLauncher,
    monkeypatch: pytest.MonkeyPatch,
    ended: dict[str, Any],
    why: str,
) -> None:
    server = running(owner, environment, disk_limit=GIB, file_limit=5000)
    seen = {server.pk: ServerStatus(server.pk, "stopped", **ended)}
    monkeypatch.setattr(launcher, "inspect", lambda: seen)
    lifecycle.declare_dead(server)
    server.refresh_from_db()
    assert server.stop_reason == StopReason.DIED
    assert server.error.startswith(why)


def test_it_says_that_all_places_are_taken_and_when_one_is_free(
    owner: User, editor: User, environment: Environment, settings: Settings, client: Client
) -> None:
    settings.LAB_MAX_SERVERS, settings.LAB_IDLE_LIMIT = 1, 3600
    used = timezone.now() - timedelta(minutes=20)
    running(editor, environment, last_interaction=used)
    client.force_login(owner)
    page = client.post("/lab/start")
    assert page.status_code == 503
    free_at = timezone.localtime(used + timedelta(hours=1))
    assert "The Lab is full: 1 of 1 places are taken." in page.content.decode()
    assert f"{free_at:%H:%M}" in page.content.decode()
    assert not Server.objects.filter(owner=owner).exists()
    assert "Refresh" not in page, "a form is not sent again"
    assert "The Lab is full" in client.get("/lab/").content.decode()
    assert client.get("/lab/open")["Refresh"] == "30"
    settings.LAB_MAX_SERVERS = 2
    assert "The Lab is full" not in client.get("/lab/").content.decode()
    assert services.request_server(owner, owner)


def test_it_gives_a_person_who_starts_anew_their_own_place(
    owner: User, environment: Environment, launcher: InProcessLauncher, settings: Settings
) -> None:
    settings.LAB_MAX_SERVERS = 1
    server = services.request_server(owner, owner)
    lifecycle.launch(server.pk)
    server.refresh_from_db()
    services.stop_server(owner, server, StopReason.ASKED)
    services.request_server(owner, owner)
    lifecycle.end(server.pk)
    assert Server.objects.live().get(owner=owner).state == State.REQUESTED


def test_it_writes_the_limits_of_version_1(tmp_path: Path) -> None:
    trees = {what: tmp_path / what for what in ("memory", "cpu", "processes")}
    for tree in trees.values():
        tree.mkdir()
    groups = Groups(1, trees)
    groups.make("a" * 32, Limits(memory=GIB, cpu=1.5, processes=100))
    read = {path.name: path.read_text() for path in tmp_path.glob("*/*/*")}
    assert read == {
        "memory.limit_in_bytes": str(GIB),
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "150000",
        "pids.max": "100",
    }
    (trees["memory"] / ("a" * 32) / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert (groups.killed("a" * 32), groups.was_at_limit("a" * 32)) == (3, True)
    groups.free_processor("a" * 32)
    assert (trees["cpu"] / ("a" * 32) / "cpu.cfs_quota_us").read_text() == "-1"
    assert groups.ids() == {"a" * 32}


def test_it_writes_the_limits_of_version_2_and_nothing_for_none(tmp_path: Path) -> None:
    labs = tmp_path / "labs"
    labs.mkdir()
    groups = Groups(2, dict.fromkeys(("memory", "cpu", "processes"), labs))
    groups.make("b" * 32, Limits(memory=GIB, cpu=0.5))
    read = {path.name: path.read_text() for path in labs.glob("*/*")}
    assert read == {"memory.max": str(GIB), "cpu.max": "50000 100000"}
    events = labs / ("b" * 32) / "memory.events"
    for own in (4, 0):
        events.write_text(f"low 0\noom {own}\noom_kill 2\noom_group_kill 0\n")
        assert (groups.killed("b" * 32), groups.was_at_limit("b" * 32)) == (2, own > 0)
    groups.free_processor("b" * 32)
    assert (labs / ("b" * 32) / "cpu.max").read_text() == "max"


@pytest.mark.parametrize(
    ("own", "given", "may"),
    [
        ("site.slice/supervisor.service", "site.slice", True),
        ("site.slice/supervisor.service", "other.slice", False),
        ("other.slice/supervisor.service", "site.slice", False),
        ("site.slice/labs.service/rest", "site.slice/labs.service", True),
    ],
)
def test_it_uses_no_groups_into_which_it_may_not_move_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, given: str, may: bool
) -> None:
    labs = tmp_path / "site.slice/labs.service/labs"
    for place in (labs, tmp_path / "other.slice"):
        place.mkdir(parents=True)
    (tmp_path / given / "cgroup.procs").touch()
    (labs / "cgroup.subtree_control").write_text("memory pids")
    monkeypatch.setattr(cgroups, "_own_path", lambda: f"/outer/{own}")
    monkeypatch.setattr(cgroups, "_offer", lambda tree: None)
    found = {"cgroup2": [cgroups._Mount(tmp_path, "/outer")]}
    monkeypatch.setattr(cgroups, "_mounts", lambda kind, option="": found.get(kind, []))
    kept = cgroups.find("site.slice/labs.service/labs").kept
    assert kept == (["memory", "processes"] if may else [])


def test_it_does_not_wait_for_groups_that_are_gone(tmp_path: Path, sleep_in: Sleep) -> None:
    def slept(seconds: float) -> None:
        raise AssertionError(f"it waited {seconds} s")

    sleep_in(cgroups, slept)
    labs = tmp_path / "labs"
    labs.mkdir()
    groups = Groups(2, {"memory": labs})
    groups.make("c" * 32, Limits())
    assert groups.ids() == {"c" * 32}
    groups.remove("c" * 32)
    groups.remove("c" * 32)
    assert groups.ids() == set()


def test_it_takes_the_supervisors_word_on_which_limits_are_kept(
    settings: Settings, launcher: InProcessLauncher
) -> None:
    settings.LAB_MEMORY_LIMIT, settings.LAB_CPU_LIMIT, settings.LAB_PROCESS_LIMIT = GIB, 0, 100
    [warning] = checks.limits_kept()
    assert (warning.id, "processes" in warning.msg, "memory" in warning.msg) == ("lab.W003", True, False)
    launcher.away = True
    [warning] = checks.limits_kept()
    assert (warning.id, "is not known" in warning.msg) == ("lab.W003", True)
    assert checks.uids() == []
    settings.LAB_MEMORY_LIMIT = settings.LAB_PROCESS_LIMIT = 0
    assert checks.limits_kept() == []


def test_it_says_that_labs_share_the_portals_uid(
    settings: Settings, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    [warning] = checks.uids()
    assert warning.id == "lab.W007"
    monkeypatch.setattr(launcher, "enforced_limits", lambda: ["disk", "uid"])
    assert checks.uids() == []
    settings.LAB_LAUNCHER = "jupyterhub"
    assert checks.uids() == []
