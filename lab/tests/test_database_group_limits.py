"""What groups give their people's Labs: limits, times, environments; by pages, command line, and crafted requests."""

import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from groups import services as group_services
from groups.models import Group
from lab import group_limits
from lab.environments import selection
from lab.locations.paths import Location
from lab.models import ChosenEnvironment, CollabEnvironment, Environment, GroupLimits, Server, State
from lab.servers import lifecycle, reaper, services
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import Jupyter
from portal import audit
from portal.access import ForbiddenError
from portal.models import User

pytestmark = pytest.mark.django_db
GIB = 2**30


@pytest.fixture
def group(owner: User) -> Callable[..., Group]:
    def make(name: str, environments: list[Environment] | None = None, **values: float) -> Group:
        made = group_services.create_group(None, name=name)
        group_services.add_person(None, made, owner)
        group_limits.set_limits(None, made, environments or [], **values)
        return made

    return make


@pytest.fixture
def gpu(environment: Environment) -> Environment:
    return Environment.objects.create(slug="gpu", name="GPU", prefix="/srv/gpu", for_groups_only=True)


@pytest.fixture
def course(environment: Environment) -> Environment:
    return Environment.objects.create(slug="course", name="Course", prefix="/srv/course")


def groups(*words: str) -> str:
    said = io.StringIO()
    call_command("groups", *words, stdout=said)
    return said.getvalue()


def test_the_most_generous_group_counts_and_who_is_in_none_is_as_everybody(
    group: Callable[..., Group], owner: User, editor: User, environment: Environment, settings: Settings
) -> None:
    settings.LAB_MEMORY_LIMIT, settings.LAB_CPU_LIMIT, settings.LAB_IDLE_LIMIT = 4 * GIB, 2, 7200
    environment.disk_mib = 64
    group("Small", memory_mib=1024, cpu_limit=1, disk_mib=10)
    large = group("Large", memory_mib=2048, idle_hours=0.5, process_limit=0)
    other = group_services.create_group(None, name="Other")
    group_limits.set_limits(None, other, [], memory_mib=0)
    found = group_limits.applying(owner, environment)
    assert found.limits | {"files": 0} == {"memory": 2 * GIB, "cpu": 1, "disk": 10 * 2**20, "files": 0, "processes": 0}
    assert (found.idle_seconds, found.life_seconds) == (1800, settings.LAB_MAX_AGE)
    assert found.groups["memory"] == found.groups["idle"] == large
    assert "life" not in found.groups
    theirs = group_limits.applying(editor, environment)
    assert (theirs.limits["memory"], theirs.limits["disk"], theirs.idle_seconds) == (4 * GIB, 64 * 2**20, 7200)
    group_services.nest(None, other, large)  # its people are in the other one by that
    assert group_limits.applying(owner, environment).limits["memory"] == 0, "no limit is the most"


def test_it_holds_from_the_next_launch_on(
    group: Callable[..., Group], owner: User, environment: Environment, launcher: InProcessLauncher
) -> None:
    lab_people = group("Lab people", memory_mib=300, idle_hours=1, life_hours=2)
    server = services.request_server(owner, owner)
    lifecycle.launch(server.pk)
    server.refresh_from_db()
    assert launcher.specs[server.pk].limits["memory"] == server.memory_limit == 300 * 2**20
    assert (server.idle_limit, server.max_age) == (timedelta(hours=1), timedelta(hours=2))
    group_limits.set_limits(None, lab_people, [], memory_mib=400, idle_hours=9)
    server.refresh_from_db()
    assert server.idle_limit == timedelta(hours=1), "as when it was started"
    assert server.idle_at
    assert server.started_at
    assert server.idle_at - server.started_at == timedelta(hours=1)


def test_the_reaper_keeps_each_to_its_own_time(
    server: Callable[..., Server], editor: User, settings: Settings, jupyter: Jupyter
) -> None:
    settings.LAB_IDLE_LIMIT = 12 * 3600
    now, before = timezone.now(), timezone.now() - timedelta(hours=2)
    times = {"looked_at": now, "started_at": before, "last_interaction": before}
    mine = server("running", idle_seconds=3600, **times)
    theirs = server("running", owner=editor, **times)
    answer = {"now": now.isoformat(), "kernels": [], "terminals": []}
    jupyter.answers["GET /api/collaboratory/activity"] = (200, json.dumps(answer).encode())
    assert reaper.reap(mine.pk)
    assert not reaper.reap(theirs.pk)
    mine.refresh_from_db()
    assert "60 minutes" in mine.stop_sentence


def test_environments_of_groups_are_for_their_people_alone(
    group: Callable[..., Group],
    owner: User,
    editor: User,
    environment: Environment,
    gpu: Environment,
    course: Environment,
) -> None:
    assert set(group_limits.usable(owner)) == {environment, course}
    group("Students", [course])
    assert set(group_limits.usable(owner)) == {course}
    assert selection.for_location(owner, Location()) == course, "the default is not for them"
    group("GPU people", [gpu])
    group("Silent", memory_mib=7)
    assert set(group_limits.usable(owner)) == {course, gpu}
    assert set(group_limits.usable(editor)) == {environment, course}


def test_a_choice_that_is_not_for_somebody_does_not_count(
    owner: User, collab: Collab, environment: Environment, gpu: Environment
) -> None:
    ChosenEnvironment.objects.create(user=owner, environment=gpu)
    CollabEnvironment.objects.create(collab=collab, environment=gpu)
    for place in (Location(), Location("Shared with groups/Cortex", library=collab.library)):
        assert selection.for_location(owner, place) == environment


def test_a_crafted_request_is_refused(
    owner: User, environment: Environment, gpu: Environment, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(owner)
    for answer in (
        client.get("/lab/open?environment=gpu"),
        client.post("/lab/start", {"environment": "gpu", "remember": "on"}),
        client.post("/lab/start", {"environment": "gpu", "next": "/lab/tree/drive"}),
    ):
        assert answer.status_code == 403
        assert "is not for you" in answer.text
    with pytest.raises(ForbiddenError):
        services.create(owner, owner, environment=gpu)
    assert not Server.objects.exists()
    assert not ChosenEnvironment.objects.exists()


def test_one_that_follows_another_is_refused_when_its_environment_is_taken_away_meanwhile(
    group: Callable[..., Group], owner: User, server: Callable[..., Server], gpu: Environment
) -> None:
    people = group("GPU people", [gpu])
    stopping = server("stopping")
    services.request_server(owner, owner, environment=gpu)
    group_limits.remove_limits(None, people)
    lifecycle.end(stopping.pk)
    assert list(Server.objects.values_list("state", flat=True)) == [State.STOPPED]


def test_managers_put_nobody_into_a_group_that_decides_about_labs(
    owner: User, stranger: User, operator: User, environment: Environment, sign_in: Callable[[User], Client]
) -> None:
    """Nor through a group inside it: a stranger's Lab would become small, or lose its environments."""
    outer, inner, free = (group_services.create_group(owner, name=name) for name in ("Outer", "Inner", "Free"))
    group_services.nest(None, outer, inner)
    group_limits.set_limits(None, outer, [], memory_mib=1)
    client = sign_in(owner)
    for group in (outer, inner):
        answer = client.post(f"{group.get_absolute_url()}people/add/", {"person": stranger.username})
        assert answer.status_code == 422
        assert "Only operators add people" in answer.text
        with pytest.raises(ValidationError):
            group_services.nest(owner, group, free)
    assert "memory" not in group_limits.applying(stranger, environment).groups
    group_services.add_person(owner, free, stranger)
    group_services.remove_person(owner, free, stranger)
    group_services.add_person(operator, inner, stranger)
    assert group_limits.applying(stranger, environment).groups["memory"] == outer


def test_my_lab_and_the_administration_say_what_applies(
    group: Callable[..., Group], owner: User, operator: User, gpu: Environment, sign_in: Callable[[User], Client]
) -> None:
    group("GPU people", [gpu], memory_mib=3072)
    page = sign_in(owner).get("/lab/").text
    assert "3.0 GiB" in page
    assert "from the group GPU people" in page
    report = sign_in(operator).get(f"/admin/see/{owner.pk}/").text
    assert "3.0 GiB (from the group GPU people)" in report
    assert "<dd>GPU</dd>" in report


def test_operators_set_it_on_a_page(
    owner: User, operator: User, gpu: Environment, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(operator)
    made = group_services.create_group(None, name="GPU people")
    form = {"group": made.pk, "memory_mib": 2048, "idle_hours": "0.5", "environments": [gpu.pk]}
    assert client.post("/admin/lab/grouplimits/add/", form).status_code == 302
    row = GroupLimits.objects.get()
    assert (row.memory_mib, row.idle_hours, list(row.environments.all())) == (2048, 0.5, [gpu])
    address = f"/admin/lab/grouplimits/{row.pk}/change/"
    assert client.post(address, {"memory_mib": "", "idle_hours": "0.5", "environments": []}).status_code == 302
    row.refresh_from_db()
    assert (row.memory_mib, row.environments.count()) == (None, 0)
    assert client.post(address, {"idle_hours": "0"}).status_code == 200, "refused"
    assert "memory in MiB" in client.get(address).text
    assert [entry.verb for entry in audit.trail(made)] == ["group.limits.changed"] * 2 + ["group.created"]
    client.post("/admin/lab/grouplimits/", {"action": "remove", "_selected_action": [row.pk]})
    assert not GroupLimits.objects.exists()


def test_operators_set_it_at_the_command_line(
    environment: Environment, gpu: Environment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("one", "two", "three"):
        groups("create", name)
        groups("set-limits", name, "--memory", "2G", "--processors", "1.5", "--idle", "2", "--environment", "gpu")
    with django_assert_num_queries(2):
        rows = json.loads(groups("limits", "--json"))
    assert {"memory_mib": 2048, "cpu_limit": 1.5, "idle_hours": 2, "environments": ["gpu"]}.items() <= rows[0].items()
    for wrong in (["--memory", "2"], ["--memory=-1G"], ["--environment", "none"], ["--idle", "0"], ["--files=-1"]):
        with pytest.raises(CommandError):
            groups("set-limits", "one", *wrong)
    groups("set-limits", "one", "--memory", "0")
    one = GroupLimits.objects.get(group__slug="one")
    assert (one.memory_mib, one.idle_hours, one.environments.count()) == (0, None, 0)
    entry = audit.trail(one.group).filter(verb="group.limits.changed").first()
    assert entry
    assert entry.actor_name == "command line"
    groups("reset-limits", "one")
    assert not GroupLimits.objects.filter(group__slug="one").exists()
    groups("delete", "two")
    assert GroupLimits.objects.count() == 1
