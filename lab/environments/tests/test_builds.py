"""Building environments: one at a time, a new directory each, and nothing changes when it fails."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import Queue
from lab.environments import builds
from lab.models import Build, BuildState, Environment, Server
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Settings, tmp_path: Path) -> Path:
    settings.LAB_ROOT = tmp_path / "lab"
    return settings.LAB_ROOT


@pytest.fixture
def brain(db: None) -> Environment:
    return Environment.objects.create(slug="brain", name="Brain", packages="nest-simulator")


def done(environment: Environment, minutes_ago: int) -> Build:
    """A build that succeeded, with its directory; the environment leads to it."""
    ended = timezone.now() - timedelta(minutes=minutes_ago)
    build = Build.objects.create(environment=environment, packages="x", state=BuildState.DONE, ended_at=ended)
    build.prefix = str(builds.environments_directory() / f"build-{build.pk}")
    build.save()
    Path(build.prefix).mkdir(parents=True)
    environment.prefix = build.prefix
    environment.save()
    return build


def test_it_queues_one_build_at_a_time(operator: User, brain: Environment, queue: Queue) -> None:
    build = builds.request_build(operator, brain)
    assert ("lab.tasks.build_environment", build.pk) in queue
    assert AuditEntry.objects.filter(verb="lab.environment.build-asked", actor=operator).exists()
    with pytest.raises(builds.CannotBuildError, match="already"):
        builds.request_build(operator, brain)
    assert Build.objects.count() == 1


def test_it_builds_nothing_from_nothing(operator: User, brain: Environment) -> None:
    brain.packages = " "
    with pytest.raises(builds.CannotBuildError, match="no packages"):
        builds.request_build(operator, brain)


def test_it_offers_no_environment_that_is_not_built(brain: Environment, client: Client, owner: User) -> None:
    assert Environment.objects.default() is None
    client.force_login(owner)
    assert client.get("/lab/open?environment=brain").status_code == 404


def test_it_keeps_what_there_was_when_a_build_fails(
    brain: Environment, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = done(brain, 60)
    build = builds.request_build(operator, brain)
    monkeypatch.setattr(builds, "pip_words", lambda sandbox, prefix: ["/bin/sh", "-c", "echo no such package; exit 1"])
    builds.run(build.pk)
    build.refresh_from_db()
    brain.refresh_from_db()
    assert (build.state, build.prefix, brain.prefix) == (BuildState.FAILED, "", old.prefix)
    assert "no such package" in builds.log_tail(build)
    assert not (builds.environments_directory() / f"build-{build.pk}").exists()
    builds.run(build.pk)  # the message comes again
    assert builds.request_build(operator, brain).pk != build.pk


def test_it_says_that_a_build_took_too_long(
    brain: Environment, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = builds.request_build(operator, brain)
    monkeypatch.setattr(builds, "BUILD_SECONDS", 0.2)
    monkeypatch.setattr(builds, "pip_words", lambda sandbox, prefix: ["sleep", "60"])
    builds.run(build.pk)
    build.refresh_from_db()
    assert build.error.startswith("The build took longer than")


def test_it_gives_up_builds_that_were_cut_off(brain: Environment, operator: User) -> None:
    build = builds.request_build(operator, brain)
    long_ago = timezone.now() - builds.LOST_AFTER - timedelta(minutes=1)
    Build.objects.filter(pk=build.pk).update(state=BuildState.RUNNING, started_at=long_ago)
    builds.sweep()
    build.refresh_from_db()
    assert (build.state, build.error) == (BuildState.FAILED, "The build was interrupted.")


def test_it_deletes_a_generation_when_no_server_runs_in_it(brain: Environment, owner: User) -> None:
    old = done(brain, 60)
    server = Server.objects.create(
        owner=owner, environment=brain, state="running", requested_at=timezone.now() - timedelta(minutes=30)
    )
    new = done(brain, 20)
    builds.sweep()
    assert Path(old.prefix).is_dir()
    Server.objects.filter(pk=server.pk).update(state="stopped")
    builds.sweep()
    assert not Path(old.prefix).exists()
    assert Path(new.prefix).is_dir()


def test_its_log_can_be_followed_and_says_nothing_to_the_browser(
    client: Client, operator: User, brain: Environment
) -> None:
    client.force_login(operator)
    answer = client.post("/admin/lab/environment/", {"action": "build", "_selected_action": [brain.pk]}, follow=True)
    assert "Follow it" in answer.content.decode()
    build = Build.objects.get()
    builds.log_file(build).write_text("<script>alert(1)</script>")
    page = client.get(f"/admin/lab/build/{build.pk}/change/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert 'http-equiv="refresh"' in page
    Build.objects.update(state=BuildState.FAILED)
    assert 'http-equiv="refresh"' not in client.get(f"/admin/lab/build/{build.pk}/change/").content.decode()


def test_it_builds_nothing_into_the_disks_reserve(operator: User, brain: Environment, settings: Settings) -> None:
    settings.DISK_RESERVE_BYTES = 10**18
    build = builds.request_build(operator, brain)
    builds.run(build.pk)
    build.refresh_from_db()
    assert (build.state, "free space" in build.error) == (BuildState.FAILED, True)
    assert not (builds.environments_directory() / f"build-{build.pk}").exists()
