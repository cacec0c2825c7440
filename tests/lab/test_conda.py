"""Conda environments, for real but for conda: packages and a channel of the tests', built by py-rattler in the sandbox
of builds, and a Lab in what came of it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from websockets import Origin
from websockets.sync.client import connect

from drive.files import operations
from drive.models import Library
from drive.storage import layout
from lab.environments import builds, selection
from lab.models import Build, BuildState, Environment, State, StopReason
from lab.servers.services import stop_server
from portal.models import User

from ..support import conda_channel
from ..support.packages import install
from ..support.people import Person
from ..support.site import Site, base_environment, forget, launched_by, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture
def base(site: Site) -> Path:
    return Path(base_environment().prefix)


@pytest.fixture
def channel(base: Path, tmp_path: Path) -> Path:
    """With what every environment needs; a Lab's own packages are replaced by nothing."""
    made = tmp_path / "channels/ours"
    conda_channel.python(made, base, tmp_path)
    conda_channel.conda(made, base)
    return made


@pytest.fixture
def environment(channel: Path) -> Iterator[Environment]:
    made = Environment.objects.create(
        slug="brain", name="Brain", kind="conda", packages="thing >=1\n", channels=channel.as_uri()
    )
    yield made
    forget(made)


@pytest.fixture
def built(
    environment: Environment, owner: Person, channel: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Build]:
    """Has it built here and now, with what the channel has by then."""

    monkeypatch.setattr(builds, "NEEDED", ())
    monkeypatch.setattr(builds, "enqueue", lambda *_: None)

    def build(**info: object) -> Build:
        conda_channel.index(channel, **info)
        made = builds.request_build(owner.user, environment)
        builds.run(made.pk)
        made.refresh_from_db()
        environment.refresh_from_db()
        return made

    return build


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_it_builds_switches_and_tells(
    suffix: str, built: Callable[..., Build], environment: Environment, channel: Path
) -> None:
    conda_channel.package(channel, "thing", {"share/thing.txt": "1"}, version="0.9", suffix=suffix)
    conda_channel.package(channel, "part", {"share/part.txt": "part"}, suffix=suffix)
    conda_channel.package(
        channel, "thing", {"share/thing.txt": "2"}, version="2.0", depends=("part", "python"), suffix=suffix
    )
    build = built()
    prefix = Path(build.prefix)
    assert build.state == BuildState.DONE, builds.log_tail(build)
    assert environment.prefix == build.prefix
    for line in ("thing 2.0 0", "Installing part", "pip "):
        assert line in builds.log_tail(build)
    assert (prefix / "share/thing.txt").read_text() == "2"
    assert (prefix / "conda-meta/history").exists()
    assert json.loads((prefix / "conda-meta/part-1.0-0.json").read_text())["name"] == "part"
    assert not (prefix / ".packages").exists()
    assert str(channel) not in (prefix / "conda-meta/part-1.0-0.json").read_text()


def test_it_keeps_what_there_was_when_there_is_no_such_package(
    built: Callable[..., Build], environment: Environment
) -> None:
    Environment.objects.filter(pk=environment.pk).update(prefix="/srv/before")
    build = built()
    assert (build.state, environment.prefix) == (BuildState.FAILED, "/srv/before")
    assert "No candidates were found for thing" in builds.log_tail(build)
    assert not (builds.environments_directory() / f"build-{build.pk}").exists()


def test_it_fails_where_the_script_of_a_package_does(built: Callable[..., Build], channel: Path) -> None:
    conda_channel.package(channel, "thing", {"bin/.thing-post-link.sh": "#!/bin/sh\nexit 3\n"})
    build = built()
    assert build.state == BuildState.FAILED
    assert "The post-link script of thing failed." in builds.log_tail(build)


def test_it_shows_scripts_of_packages_nothing_of_the_portal(
    built: Callable[..., Build], channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sandbox of builds keeps from pip's builds it keeps from conda's link scripts."""
    (channel.parent / "of-others").mkdir()
    files = [settings.VAR_DIR / name for name in ("portal.sqlite3", "site.log", "lab/servers")]
    places = [*files, settings.RUN_DIR, settings.DRIVE_ROOT, settings.BASE_DIR / "portal", channel.parent]
    attack = "#!/bin/sh\nexec >$PREFIX/said.txt 2>&1\n"
    attack += "".join(f"ls {place} && echo FOUND\n" for place in places)
    attack += "env; ls /proc; cat /proc/*/environ | tr '\\0' '\\n'; id -u; grep Cap /proc/self/status\n"
    for place in ("/usr/x", "/run/lab/channels/0/x", "/run/lab/site/rattler/x", "/run/lab/conda_build.py"):
        attack += f"echo >>{place} && echo FOUND\n"
    conda_channel.package(channel, "thing", {"bin/.thing-post-link.sh": f"{attack}true\n"})
    monkeypatch.setenv("SECRET_KEY", "the-key-of-the-site")
    monkeypatch.setenv("PIP_INDEX_URL", "https://site:the-key-of-the-site@pypi.example.org/simple")
    build = built()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    said = (Path(build.prefix) / "said.txt").read_text()
    assert "PKG_NAME=thing" in said
    assert "CapEff:\t0000000000000000" in said
    for secret in ("FOUND", "the-key-of-the-site", str(settings.RUN_DIR / "redis.sock"), str(channel)):
        assert secret not in said


@pytest.mark.parametrize("elsewhere", ["http://conda.example.org/", "file:///etc/", "s3://bucket/"])
def test_a_channel_does_not_send_it_to_other_kinds_of_addresses(
    elsewhere: str, built: Callable[..., Build], channel: Path
) -> None:
    """A channel may say where its packages are (conda enhancement proposal 15)."""
    conda_channel.package(channel, "thing", {"share/thing.txt": "1"})
    build = built(base_url=elsewhere)
    assert build.state == BuildState.FAILED
    assert f"would be fetched from {elsewhere}" in builds.log_tail(build)


def test_it_is_refused_when_it_points_labs_at_the_portals_files(
    built: Callable[..., Build], channel: Path, base: Path
) -> None:
    """Labs are shown the directory that bin/python leads to: at the end of the build it leads to the site's own."""
    [place] = base.glob("lib/python3*/site-packages")
    code = (
        "import atexit, os, sys\n"
        "def turn(path=sys.executable):\n"
        f"    os.unlink(path); os.symlink({str(settings.VAR_DIR / 'x/python')!r}, path)\n"
        "if 'compileall' in sys.orig_argv: atexit.register(turn)\n"
    )
    conda_channel.package(channel, "thing", {str(place.relative_to(base) / "sitecustomize.py"): code})
    build = built()
    assert (build.state, build.prefix) == (BuildState.FAILED, "")
    assert "replaced the interpreter by a link to another place" in build.error


def test_a_lab_in_what_the_task_has_built_works_as_after_activating_it(
    site: Site, environment: Environment, channel: Path, base: Path, person: Callable[..., Person], tmp_path: Path
) -> None:
    ada, bob = person("ada"), person("bob")
    build = _built_by_the_worker(ada.user, environment, channel, base)
    before = sorted(str(path) for path in Path(build.prefix).rglob("*"))
    for someone, way in ((ada, "fork"), (bob, "exec")):
        selection.remember(someone.user, environment)
        with launched_by(site, way):
            if way == "fork":
                site.have_fork_server(build.prefix)
            someone.launch()
        assert site.is_forked(someone.server()) == (way == "fork")
        _is_active(someone, build.prefix)

    kernel = ada.kernel()
    install(kernel, "labtestpackage")
    _give(ada.user, tmp_path)
    given = Path(f"/home/{ada.user.username}/drive/My Libraries/My Library/channel")
    said = kernel.run(f"!conda install -c '{given.as_uri()}' extra", seconds=60)
    assert "installed extra" in said.text, said
    assert kernel.run(f"print(open('{build.prefix}/share/extra.txt').read())").text.strip() == "extra"
    assert "No such file" in bob.kernel().run(f"!ls {build.prefix}/share/extra.txt").text
    assert sorted(str(path) for path in Path(build.prefix).rglob("*")) == before
    stop_server(ada.user, ada.server(), StopReason.ASKED)
    wait_for(lambda: ada.server().state == State.STOPPED, 30, "it did not stop")
    listed = [path.read_text() for path in _library(ada.user).rglob("Installed packages/*.txt")]
    assert "extra=1.0" in "".join(listed)
    assert "labtestpackage==1.0" in "".join(listed)


def _built_by_the_worker(asker: User, environment: Environment, channel: Path, base: Path) -> Build:
    conda_channel.jupyter(channel, base, dict(pin.split("==") for pin in builds.base_requirements()))
    script = 'echo said; export THING_HOME="$CONDA_PREFIX/share/thing"\n'
    files = {"etc/conda/activate.d/thing.sh": script, "etc/conda/env_vars.d/thing.json": '{"THING_LEVEL": "3"}'}
    conda_channel.package(channel, "thing", files)
    conda_channel.index(channel)
    build = builds.request_build(asker, environment)
    wait_for(lambda: not Build.objects.get(pk=build.pk).is_live, 300, "it was not built")
    build.refresh_from_db()
    assert build.state == BuildState.DONE, builds.log_tail(build)
    return build


def _is_active(person: Person, prefix: str) -> None:
    """In kernels and in terminals alike."""
    wanted = {
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": "base",
        "CONDA_SHLVL": "1",
        "THING_HOME": f"{prefix}/share/thing",
        "THING_LEVEL": "3",
    }
    kernel = person.kernel()
    seen = json.loads(kernel.run("import json, os; print(json.dumps(dict(os.environ)))").text)
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen["PATH"].split(os.pathsep)[0] == f"{prefix}/bin"
    assert "VIRTUAL_ENV" not in seen
    assert kernel.run("import sys; print(sys.prefix)").text.strip() == prefix
    said = _in_terminal(person, "echo $CONDA_PREFIX:$THING_LEVEL:$(command -v conda):$(command -v python)")
    assert f"{prefix}:3:{prefix}/bin/conda:{prefix}/bin/python" in said


def _in_terminal(person: Person, line: str) -> str:
    """What a terminal shows of it (terminado: lists of a word and a text)."""
    name = person.lab("POST", "/api/terminals").json()["name"]
    with connect(
        f"{person.origin.replace('http', 'ws', 1)}/terminals/websocket/{name}",
        additional_headers={"Cookie": person.cookies()},
        origin=Origin(person.origin),
        open_timeout=30,
    ) as socket:
        socket.send(json.dumps(["stdin", f"{line}; echo the-$((40 + 2))-end\r"]))
        seen = ""
        while "the-42-end" not in seen:
            word, *texts = json.loads(socket.recv(timeout=30))
            seen += texts[0] if word == "stdout" else ""
    return seen


def _library(user: User) -> Path:
    return layout.find(Library.objects.get(owner_user=user).pk)


def _give(user: User, tmp_path: Path) -> None:
    """A channel among the person's own files."""
    made = tmp_path / "given"
    conda_channel.package(made, "extra", {"share/extra.txt": "extra"}, suffix=".tar.bz2")
    conda_channel.index(made)
    library = Library.objects.get(owner_user=user)
    for folder in ("channel", "channel/noarch"):
        operations.make_folder(user, library, folder)
    for path in (made / "noarch").glob("*.*"):
        if path.is_file():
            operations.write(user, library, f"channel/noarch/{path.name}", path.read_bytes())
