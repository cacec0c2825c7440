"""Environments that are really built: in a sandbox, from the index, and without the portal's secrets."""

import contextlib
import os
import pty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lab.environments import build_sandbox, builds, selection
from lab.models import Build, BuildState, Environment
from portal.sandboxing import bwrap

from ..support.people import Person
from ..support.site import Site, forget, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture
def environment(site: Site) -> Iterator[Environment]:
    made = Environment.objects.create(slug="small", name="Small", packages="iniconfig\n")
    yield made
    forget(made)


@pytest.fixture
def build(environment: Environment, owner: Person, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Asked for, and run here and now; without what a Lab needs, which takes a minute to fetch."""
    monkeypatch.setattr(builds, "NEEDED", ())
    monkeypatch.setattr(builds, "enqueue", lambda *_: None)
    return builds.request_build(owner.user, environment)


def test_it_builds_switches_and_tells(build: Build, environment: Environment) -> None:
    builds.run(build.pk)
    build.refresh_from_db()
    environment.refresh_from_db()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    assert environment.prefix == build.prefix
    assert "Successfully installed iniconfig" in builds.log_tail(build)
    assert list(Path(build.prefix).glob("lib/python3*/site-packages/iniconfig"))


def test_it_shows_packages_nothing_of_the_portal(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a package's own build script could do."""
    files = [settings.VAR_DIR / name for name in ("portal.sqlite3", "site.log", "lab/servers")]
    places = [*files, settings.RUN_DIR, settings.DRIVE_ROOT, settings.BASE_DIR / "portal"]
    attack = "".join(f"ls {place} && echo FOUND\n" for place in places)
    attack += "env; ls /proc; cat /proc/*/environ | tr '\\0' '\\n'\ntouch /usr/x && echo FOUND\nfalse\n"
    monkeypatch.setattr(builds, "_SCRIPT", attack)
    monkeypatch.setenv("SECRET_KEY", "the-key-of-the-site")
    builds.run(build.pk)
    said = builds.log_tail(build)
    assert "PATH=" in said
    assert "FOUND" not in said
    assert "the-key-of-the-site" not in said
    assert str(settings.RUN_DIR / "redis.sock") not in said


def test_it_lets_packages_make_no_user_namespace(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one of its own a process would have all capabilities, and far more of the kernel to attack."""
    monkeypatch.setattr(builds, "_SCRIPT", "unshare --user --map-root-user true 2>&1 && echo FOUND\nfalse\n")
    builds.run(build.pk)
    said = builds.log_tail(build)
    assert "unshare failed" in said
    assert "FOUND" not in said


TYPE = """
import fcntl, os, termios
for place in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1"):
    try:
        fcntl.ioctl(os.open(place, os.O_RDWR), termios.TIOCSTI, b"x")
        print(place, "FOUND")
    except OSError as error:
        print(place, error.strerror)
try:
    os.open("/dev/tty", os.O_RDWR)
    print("FOUND a terminal")
except OSError as error:
    print("refused")
"""


def test_it_lets_packages_type_into_no_terminal(tmp_path: Path) -> None:
    """Where a worker was started by hand: what is typed into a terminal (TIOCSTI) its shell would do, outside."""
    with build_sandbox.sandbox("") as sandbox:
        words = build_sandbox.words(sandbox, tmp_path, f"exec \"$1\" -c '{TYPE}'", [build_sandbox.python()])
        child, terminal = pty.fork()
        if not child:
            for fd in sandbox.descriptors:
                os.set_inheritable(fd, True)
            os.execvpe(words[0], words, bwrap.VARIABLES)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(terminal, 4096):
            said += data
    os.close(terminal)
    os.waitpid(child, 0)
    assert b"refused" in said
    assert b"FOUND" not in said


def test_a_lab_runs_in_what_the_task_has_built(
    site: Site, environment: Environment, person: Callable[..., Person]
) -> None:
    """With all that a Lab needs, from the index, by the site's own worker."""
    ada = person("ada")
    build = builds.request_build(ada.user, environment)
    wait_for(lambda: not Build.objects.get(pk=build.pk).is_live, 600, "it was not built")
    build.refresh_from_db()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    selection.remember(ada.user, environment)
    ada.launch()
    said = ada.kernel().run("import iniconfig, sys; print(sys.prefix)")
    assert (said.error, said.text.strip()) == ("", build.prefix)
    assert f"{build.prefix}/lib" in ada.kernel().run("%pip --version").text
