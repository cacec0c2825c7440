"""An update by checkout: Labs that were started by the version before run through it, and the present code has them.

The old code comes from the repository's history and is replaced where it lies, as `git checkout` does: running
sandboxes see its directory `lab/supervisor/inside`. What an update does to the database is tried in portal/ops/tests.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collabs import services as collab_services
from collabs.models import Collab, Role
from lab.launchers import get_launcher

from ..support.people import Kernel, Person
from ..support.site import CODE, Site, launched_by, wait_for

pytestmark = pytest.mark.sandbox

BEFORE = "ef712af"
"""The last commit before the code was laid out by feature: what its supervisor left behind, ours must find."""
KEEPER = """
import signal, subprocess
lines = [line.partition(": ") for line in open("Procfile")]
running = [subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "sh", "-c", command]) for _, _, command in lines]
signal.signal(signal.SIGTERM, lambda *_: [one.terminate() for one in running])
for one in running:
    one.wait()
"""
"""What ran the Procfile then: each of its lines keeps one process."""
FOLLOWS = 20
"""Seconds for a change of access: how fast it is, is tried elsewhere, and the workers have only just been started."""


def git(*words: str) -> bytes:
    """Whoever owns the repository: the tests run as the site's account."""
    command = ["git", "-c", "safe.directory=*", "-C", str(CODE), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


class Checkout:
    """A directory with the code of the version before, until it is updated."""

    def __init__(self, directory: Path, commit: str = BEFORE) -> None:
        self.directory = directory
        subprocess.run(["tar", "--extract", "--directory", directory], input=git("archive", commit), check=True)

    def update(self) -> None:
        """Have the present code, uncommitted changes too; each file is another one then, as git leaves them."""
        names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
        present = {name for name in names if name and (CODE / name).is_file()}
        for path in [path for path in self.directory.rglob("*") if path.is_file()]:
            path.unlink()
        for name in present:
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CODE / name, self.directory / name)


@pytest.fixture
def checkout(site: Site, tmp_path: Path) -> Iterator[Checkout]:
    """The site runs from it, with its code of before."""
    try:
        made = Checkout(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"This copy of the code has no history: {error.stderr.decode()}")
    site.end()
    configure_proxy(site, made.directory)
    site.start(made.directory, ["setpriv", "--pdeathsig", "TERM", sys.executable, "-c", KEEPER])
    yield made
    site.end()
    configure_proxy(site, CODE)
    site.start()


def configure_proxy(site: Site, code: Path) -> None:
    """Write nginx's configuration as this version of the code does; bin/up does so before each start."""
    program = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, 'bin/lib'); import nginx;"
        " var, run = (Path(os.environ[f'COLLABORATORY_{name}']) for name in ('VAR', 'RUN'));"
        " nginx.write(Path.cwd(), var, run, dict(os.environ))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=code, env=site.environment, check=True)


def launch(site: Site, someone: Person, way: str) -> Kernel:
    """A kernel with something in its memory, in a Lab that was forked or started from nothing."""
    with launched_by(site, way):
        assert site.is_forked(someone.launch()) == (way == "fork")
    kernel = someone.kernel()
    assert not kernel.run("answer = 42").error
    return kernel


def asks_the_api(kernel: Kernel) -> str:
    """Its person's username, as the portal says over the socket that an earlier version put into the sandbox."""
    done = kernel.run("from collaboratory import api; print(api('GET', '/me')['username'])")
    assert not done.error, done
    return done.text.strip()


def reaches_no_private_network(kernel: Kernel) -> bool:
    """The rules of this version are around the Lab: it is told so at once."""
    return kernel.run("import socket; socket.create_connection(('10.255.255.1', 9), 2)").error.startswith(
        "OSError: [Errno 113]"
    )


def test_labs_run_through_an_update(
    site: Site, checkout: Checkout, collab: Collab, owner: Person, person: Callable[..., Person]
) -> None:
    people = {way: person(way) for way in ("fork", "exec")}
    kernels = {way: launch(site, someone, way) for way, someone in people.items()}
    place = f"Shared with groups/{collab.title}"
    for someone in people.values():
        collab_services.add_member(owner.user, collab, someone.user, Role.EDITOR)
        wait_for(lambda: someone.contents(place).status_code == 200, 30, "the library did not appear")  # noqa: B023

    site.end()
    checkout.update()
    configure_proxy(site, checkout.directory)
    site.start(checkout.directory)
    wait_for(lambda: owner.get("/").status_code == 200, 60, "the portal did not answer")

    for way, someone in people.items():
        server = someone.server()
        assert get_launcher().inspect()[server.pk].state == "running"
        kernels[way].socket = kernels[way].connect()
        assert kernels[way].run("print(answer)").text == "42\n"
        assert asks_the_api(kernels[way]) == someone.user.username
        wait_for(lambda: reaches_no_private_network(kernels[way]), 30, "it has no rules for its network")  # noqa: B023
        new = someone.kernel()
        assert new.run("print(6 * 7)").text == "42\n"
        path = f"open('/home/{someone.user.username}/drive/{place}/x', 'w').write('x')"
        assert not new.run(path).error
        collab_services.change_role(owner.user, collab, someone.user, Role.VIEWER)
        wait_for(lambda: "Read-only" in new.run(path).error, FOLLOWS, "it did not turn read-only")  # noqa: B023
        collab_services.remove_member(owner.user, collab, someone.user)
        wait_for(lambda: someone.contents(place).status_code == 404, FOLLOWS, "the library did not vanish")  # noqa: B023
        someone.leave()
        assert server.pk.hex not in site.sandboxes()
