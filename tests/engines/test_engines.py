"""Labs in a real Docker and a real Slurm, by the configurations of deploy/jupyterhub/: the same life of a server."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.utils import timezone
from docker_daemon import BASE, HOST_ADDRESS
from pytest_django.plugin import DjangoDbBlocker

from collabs import services
from collabs.models import Collab, Role
from drive.files import operations
from lab.models import Environment, Server, State, StopReason
from lab.servers import reaper

from ..support import hub
from ..support.hub import DEPLOY, Engine, engine
from ..support.people import Person
from ..support.site import Site, wait_for
from ..support.slurm import Slurm, slurm

pytestmark = [pytest.mark.sandbox, pytest.mark.engines]

IMAGE, KEPT = "collaboratory-lab", "collaboratory-lab-kept"
LAUNCH_SECONDS = 180
launch, running = (partial(one, seconds=LAUNCH_SECONDS) for one in (hub.launch, hub.running))
MEMORY_MIB = 700


class InDocker:
    """What the engine says of the server of somebody."""

    def __init__(self, hub: Engine) -> None:
        self.hub = hub

    def memory_mib(self, someone: Person) -> int:
        return int(docker("inspect", "--format={{.HostConfig.Memory}}", f"jupyter-{someone.user.username}")) // 2**20

    def is_there(self, someone: Person) -> bool:
        return f"jupyter-{someone.user.username}" in docker("ps", "--all", "--format={{.Names}}").split()

    def break_it(self) -> None:
        docker("tag", IMAGE, KEPT)
        docker("rmi", IMAGE)

    def mend_it(self) -> None:
        docker("tag", KEPT, IMAGE)


class InSlurm:
    """As InDocker."""

    def __init__(self, hub: Engine, cluster: Slurm) -> None:
        self.hub, self.cluster = hub, cluster

    def memory_mib(self, someone: Person) -> int:
        asked = self.cluster.ask("squeue", "--noheader", "--format=%m", "--states=all", f"--name={job_of(someone)}")
        return int(asked.split()[0].removesuffix("M"))

    def is_there(self, someone: Person) -> bool:
        return bool(self.cluster.ask("squeue", "--noheader", f"--name={job_of(someone)}").strip())

    def break_it(self) -> None:
        self.cluster.ask("scontrol", "update", "PartitionName=labs", "State=INACTIVE")

    def mend_it(self) -> None:
        self.cluster.ask("scontrol", "update", "PartitionName=labs", "State=UP")


def job_of(someone: Person) -> str:
    return f"lab-{someone.user.username}"


def docker(*command: str) -> str:
    done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def build_image() -> None:
    """As the Dockerfile says; the network of this machine is for what pip installs."""
    drive = Path(settings.DRIVE_ROOT).stat()
    arguments = [f"--build-arg=BASE={BASE}", f"--build-arg=UID={drive.st_uid}", f"--build-arg=GID={drive.st_gid}"]
    docker("build", "--network=host", f"--tag={IMAGE}", *arguments, str(DEPLOY))


@pytest.fixture(scope="module", params=["docker", "slurm"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def engine_kind(
    kind: str, site: Site, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[InDocker | InSlurm]:
    """The site with a Hub whose spawner is that of the kind."""
    place = tmp_path_factory.mktemp(kind)
    with django_db_blocker.unblock():
        Environment.objects.update(memory_mib=MEMORY_MIB)
        if kind == "docker":
            build_image()
            given = {"DOCKER_HOST": os.environ["DOCKER_HOST"], "HUB_IP": HOST_ADDRESS, "HUB_IMAGE": IMAGE}
            with engine(site, Engine(place, "docker_config.py", **given)) as hub:
                yield InDocker(hub)
                print(hub.log.read_text(errors="replace")[-6000:])
        else:
            with (
                slurm(tmp_path_factory.mktemp("cluster")) as cluster,
                engine(site, Engine(place, "slurm_config.py", **cluster.environment)) as hub,
            ):
                yield InSlurm(hub, cluster)
                print(hub.log.read_text(errors="replace")[-6000:])
        Environment.objects.update(memory_mib=None)


@pytest.fixture(scope="module")
def owner(engine_kind: InDocker | InSlurm, lasting_person: Callable[..., Person]) -> Person:
    return lasting_person("owner")


@pytest.fixture(scope="module")
def collab(owner: Person) -> Collab:
    collab = services.create_collab(owner.user, title=f"With {owner.user.username}")
    operations.write(owner.user, collab.library, "first.txt", b"kept")
    return collab


def test_it_mounts_what_each_may_see_and_writes_as_the_portals_account(
    engine_kind: InDocker | InSlurm, owner: Person, collab: Collab, person: Callable[..., Person]
) -> None:
    hub, viewer, stranger = engine_kind.hub, person("viewer"), person("stranger")
    services.add_member(owner.user, collab, viewer.user, Role.VIEWER)
    folder = quote(f"drive/Shared with groups/{collab.title}")
    running(owner)
    assert engine_kind.memory_mib(owner) == MEMORY_MIB
    for someone in (viewer, stranger):
        launch(someone)
    people = (owner, viewer, stranger)
    seen = [hub.ask(one, "GET", f"api/contents/{folder}/first.txt").status_code for one in people]
    assert seen == [200, 200, 404]
    body = {"type": "file", "format": "text", "content": "from a Lab"}
    written = [hub.ask(one, "PUT", f"api/contents/{folder}/new.txt", body).status_code for one in people]
    assert written[0] == 201
    assert min(written[1:]) >= 400
    file = Path(settings.DRIVE_ROOT) / "private" / str(collab.library.pk) / "new.txt"
    assert file.read_text() == "from a Lab"
    assert file.stat().st_uid == Path(settings.DRIVE_ROOT).stat().st_uid
    file.write_text("from the portal")
    assert hub.ask(owner, "GET", f"api/contents/{folder}/new.txt").json()["content"] == "from the portal"


def test_the_home_stays_and_is_nobody_elses(engine_kind: InDocker | InSlurm, owner: Person, stranger: Person) -> None:
    hub, body = engine_kind.hub, {"type": "file", "format": "text", "content": "mine"}
    running(owner)
    assert hub.ask(owner, "PUT", "api/contents/mine.txt", body).status_code == 201
    launch(stranger)
    assert hub.ask(stranger, "GET", "api/contents/mine.txt").status_code == 404
    owner.submit("/lab/", "/lab/stop", {})
    wait_for(lambda: owner.server().state == State.STOPPED, 120, "it was not stopped")
    assert not engine_kind.is_there(owner)
    launch(owner)
    assert hub.ask(owner, "GET", "api/contents/mine.txt").json()["content"] == "mine"


@pytest.mark.parametrize("kind", ["slurm"], indirect=True, scope="module")
def test_slurm_follows_no_link_of_a_home_for_its_log(
    engine_kind: InSlurm, person: Callable[..., Person], tmp_path: Path
) -> None:
    """Slurm opens it outside of bubblewrap, as the portal's account."""
    editor, file = person("editor"), tmp_path / "of-the-portal"
    file.write_text("kept")
    homes = engine_kind.hub.directory / "homes"
    home = homes / editor.user.username
    home.mkdir(parents=True)
    for name in ("lab.log", ".logs", f"{editor.user.username}.log"):
        (home / name).symlink_to(file)
    launch(editor)
    assert "Jupyter Server" in (homes / ".logs" / f"{editor.user.username}.log").read_text(errors="replace")
    assert file.read_text() == "kept"


def test_what_is_taken_away_ends_the_server(
    engine_kind: InDocker | InSlurm, owner: Person, collab: Collab, person: Callable[..., Person]
) -> None:
    editor = person("editor")
    services.add_member(owner.user, collab, editor.user, Role.EDITOR)
    launch(editor)
    services.remove_member(owner.user, collab, editor.user)
    wait_for(lambda: not engine_kind.is_there(editor), 60, "the engine still runs it")
    wait_for(lambda: editor.server().state == State.STOPPED, 120, "its row lives")
    assert editor.server().stop_reason == StopReason.ACCESS


def test_it_is_reaped_when_idle(engine_kind: InDocker | InSlurm, owner: Person) -> None:
    server = running(owner)
    assert not reaper.reap(server.pk)
    limit, settings.LAB_IDLE_LIMIT = settings.LAB_IDLE_LIMIT, 1
    try:
        long_ago = timezone.now() - timedelta(hours=1)
        Server.objects.filter(pk=server.pk).update(started_at=long_ago, last_interaction=long_ago)
        wait_for(lambda: reaper.reap(server.pk), 30, "it was not reaped")
    finally:
        settings.LAB_IDLE_LIMIT = limit
    assert owner.server().stop_reason == StopReason.IDLE
    wait_for(lambda: not engine_kind.is_there(owner), 60, "the engine still runs it")


def test_a_person_reads_why_it_does_not_start(engine_kind: InDocker | InSlurm, person: Callable[..., Person]) -> None:
    editor = person("editor")
    engine_kind.break_it()
    try:
        editor.get("/lab/open?path=")
        wait_for(lambda: editor.server().state == State.FAILED, LAUNCH_SECONDS, "it is not told")
        assert "Hub" in editor.server().error
        assert "Internal Server Error" not in editor.get("/lab/").text
    finally:
        engine_kind.mend_it()
    assert launch(editor).state == State.RUNNING
