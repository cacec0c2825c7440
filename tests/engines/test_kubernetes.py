"""KubeSpawner by deploy/jupyterhub/kubernetes_config.py: what it asks of Kubernetes, from the click to the end.

No Kubernetes runs here: pods are processes, mounts are looked at and not made. What is sent is valid by the schemas
that Kubernetes publishes, strictly: no field that they do not have.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from installation import environment_is_made, make_environment
from pytest_django.plugin import DjangoDbBlocker

from collabs import services
from collabs.models import Role
from drive.libraries import services as libraries
from lab.models import Environment, State

from ..support.hub import Engine, engine
from ..support.kubernetes import Cluster, kubernetes
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = [pytest.mark.sandbox, pytest.mark.engines]

VERSIONS = ("1.29", "1.37")
UID, GID, CLAIM = 1234, 1235, "drive"
LAUNCH_SECONDS = 90


@pytest.fixture(scope="module")
def validator() -> Path:
    """The published schemas, and a program that reads them."""
    place, packages = Path(settings.LAB_BASE_ENVIRONMENT).parents[2] / "kubernetes-validate", Path(__file__).parent
    requirements = packages / "requirements.txt"
    if not environment_is_made(place, [requirements], sys.executable):
        make_environment(place, sys.executable, requirements, "the schemas of Kubernetes", compiled=False)
    return place / "bin/kubernetes-validate"


@pytest.fixture(scope="module")
def cluster(
    site: Site, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("kubernetes")
    hub = Engine(place, "kubernetes_config.py")
    given = {"HUB_NAMESPACE": "labs", "HUB_UID": f"{UID}:{GID}", "HUB_SERVICE": "127.0.0.1"}
    with (
        django_db_blocker.unblock(),
        kubernetes(tmp_path_factory.mktemp("cluster"), hub.place / "bin/jupyterhub-singleuser") as (running, config),
    ):
        hub.variables = given | {"KUBECONFIG": str(config), "COLLABORATORY_DRIVE": CLAIM}
        Environment.objects.update(memory_mib=700, cpu_limit=1)
        with engine(site, hub):
            yield running
            print(hub.log.read_text(errors="replace")[-6000:])
        Environment.objects.update(memory_mib=None, cpu_limit=None)


def test_a_lab_is_a_pod_that_the_published_schemas_allow(
    cluster: Cluster, validator: Path, owner: Person, person: Callable[..., Person]
) -> None:
    viewer = person("viewer")
    collab = services.create_collab(owner.user, title=f"With {owner.user.username}")
    services.add_member(owner.user, collab, viewer.user, Role.VIEWER)
    libraries.create_library(viewer.user, "At 12:30")
    viewer.get("/lab/open?path=")
    wait_for(lambda: viewer.server().state in (State.RUNNING, State.FAILED), LAUNCH_SECONDS, "it did not start")
    assert viewer.server().state == State.RUNNING, viewer.server().error
    [pod] = [one for one in cluster.sent if one["kind"] == "Pod"]
    [container] = pod["spec"]["containers"]
    home, drive = "/home/jovyan", "collaboratory-drive"
    assert [one for one in pod["spec"]["volumes"] if one["name"] == drive] == [
        {"name": drive, "persistentVolumeClaim": {"claimName": CLAIM}}
    ]
    mounts = {
        one["mountPath"]: (one["subPath"], one["readOnly"]) for one in container["volumeMounts"] if one["name"] == drive
    }
    assert mounts[f"{home}/drive/Shared with all"] == ("public", True)
    assert mounts[f"{home}/drive/Shared with groups/{collab.title}"] == (f"private/{collab.library.pk}", True)
    assert {read_only for path, (_, read_only) in mounts.items() if "My Libraries" in path} == {False}
    assert not [path for path in mounts if ":" in path]
    assert home in {one["mountPath"] for one in container["volumeMounts"] if one["name"] != drive}
    security = container["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["allowPrivilegeEscalation"]) == (UID, GID, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["resources"]["limits"] == {"memory": 700 * 2**20, "cpu": 1.0}
    assert {one["kind"] for one in cluster.sent} == {"Pod", "PersistentVolumeClaim"}
    for version in VERSIONS:
        command = [str(validator), "--strict", "-k", version, *map(str, cluster.write_sent())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{version}: {done.stdout}{done.stderr}"
    viewer.submit("/lab/", "/lab/stop", {})
    wait_for(lambda: viewer.server().state == State.STOPPED, 120, "it was not stopped")
    assert not cluster.objects["pods"]
    assert cluster.objects["persistentvolumeclaims"], "the home stays"


def test_the_schemas_refuse_what_is_no_field(validator: Path, tmp_path: Path) -> None:
    """So that the test above can fail."""
    wrong = tmp_path / "wrong.yaml"
    spec = "spec: {containers: [{name: a, image: b, volumeMounts: [{name: c, mountPath: /d, mount_path: /d}]}]}"
    wrong.write_text(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{spec}\n")
    done = subprocess.run([str(validator), "--strict", "-k", VERSIONS[-1], str(wrong)], capture_output=True)
    assert done.returncode != 0
