"""What an operator may write down for a conda environment, and what a Lab in one sees."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import Settings

from conftest import Queue
from lab import conda_spec
from lab.environments import build_sandbox, builds
from lab.models import Build, BuildState, Environment
from lab.supervisor import conda_env as running
from lab.supervisor.launch import Launch
from lab.supervisor.sandbox_command import INSIDE
from portal.models import User
from portal.sandboxing import bwrap


@pytest.fixture
def channel(settings: Settings, tmp_path: Path) -> Path:
    """A directory of this machine that may be a channel."""
    settings.LAB_CONDA_FILES = [str(tmp_path / "channels")]
    made = tmp_path / "channels/ours"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def brain(db: None) -> Environment:
    return Environment.objects.create(slug="brain", name="Brain", kind="conda", packages="nest-simulator")


class TestChannels:
    @pytest.mark.parametrize(
        ("line", "url"),
        [
            ("conda-forge", "https://conda.anaconda.org/conda-forge"),
            ("conda-forge/label/rust_dev", "https://conda.anaconda.org/conda-forge/label/rust_dev"),
            ("https://conda.example.org:8443/mirror/", "https://conda.example.org:8443/mirror"),
        ],
    )
    def test_it_knows_names_and_https(self, line: str, url: str) -> None:
        assert conda_spec.channels(line) == [conda_spec.Channel(url)]

    def test_it_keeps_their_order_and_passes_over_comments(self) -> None:
        text = "# ours first\nbioconda\n\n  conda-forge \n"
        assert [channel.url.rpartition("/")[2] for channel in conda_spec.channels(text)] == ["bioconda", "conda-forge"]

    def test_it_takes_conda_forge_where_none_is_named(self) -> None:
        assert conda_spec.channels(" \n# none\n") == conda_spec.channels("conda-forge")

    @pytest.mark.parametrize(
        "line",
        [
            "http://conda.example.org/mirror",
            "ftp://conda.example.org/mirror",
            "s3://bucket/channel",
            "oci://ghcr.io/channel-mirrors",
            "//conda.example.org/mirror",
            "/srv/channels/ours",
            "./ours",
            "../ours",
            "~/channel",
            "https://",
            "https:///mirror",
            "https://conda.example.org:x/mirror",
            "https://[::1/mirror",
            "https://conda.example.org/a b",
            "https://conda.example.org/a\tb",
            "https://conda.example.org\\@evil.example.org/",
            "https://conda.example.org/mirror?token=1",
            "https://conda.example.org/mirror#x",
            "https://ada:secret@conda.example.org/mirror",
            "https://conda.example.org/t/tk-secret/mirror",
            "https://conda.example.org/t",
            "https://exämple.org/mirror",
            "file:///etc",
            "file:///",
            "file://evil.example.org/srv",
            "file:relative",
            "FILE:///etc",
            "a\x00b",
            "file:///srv/a%00b",
        ],
    )
    def test_it_refuses_all_else(self, line: str, channel: Path) -> None:
        with pytest.raises(conda_spec.InvalidCondaSpecError):
            conda_spec.channels(line)

    def test_it_knows_directories_where_the_settings_say_so(self, channel: Path) -> None:
        [found] = conda_spec.channels(channel.as_uri())
        assert found == conda_spec.Channel("file:///run/lab/channels/0", channel)
        assert conda_spec.bind_words([found])[-3:] == ["--ro-bind", str(channel), "/run/lab/channels/0"]

    def test_it_refuses_directories_where_the_settings_say_nothing(self, channel: Path, settings: Settings) -> None:
        settings.LAB_CONDA_FILES = []
        with pytest.raises(conda_spec.InvalidCondaSpecError, match="LAB_CONDA_FILES"):
            conda_spec.channels(channel.as_uri())

    def test_it_is_not_led_out_of_them(self, channel: Path, tmp_path: Path) -> None:
        """By dots, by a link, by a name that only begins alike, by a file."""
        (tmp_path / "secret").mkdir()
        (tmp_path / "channels-of-others").mkdir()
        (channel / "link").symlink_to(tmp_path / "secret")
        (channel / "file").write_text("x")
        for path in ("../../secret", "%2e%2e/%2e%2e/secret", "link", "../../channels-of-others", "file", "nowhere"):
            with pytest.raises(conda_spec.InvalidCondaSpecError):
                conda_spec.channels(f"{channel.as_uri()}/{path}")

    def test_it_shows_no_build_the_sites_own_files(self, settings: Settings, tmp_path: Path) -> None:
        """Whatever the setting allows: not the state of the site, nor what it lies in, nor what lies in it."""
        settings.LAB_CONDA_FILES = ["/"]
        settings.DRIVE_ROOT = tmp_path / "site/drive"
        (tmp_path / "site/drive/libraries").mkdir(parents=True)
        (tmp_path / "site/channel").mkdir()
        for path in ("site", "site/drive", "site/drive/libraries"):
            with pytest.raises(conda_spec.InvalidCondaSpecError, match="contains files of the site"):
                conda_spec.channels((tmp_path / path).as_uri())
        assert conda_spec.channels((tmp_path / "site/channel").as_uri())


class TestPackages:
    @pytest.mark.parametrize(
        "line", ["numpy", "numpy=2.1", "numpy >=2,<3", "numpy 2.1.*", "python==3.12", "pytorch=2.5=cuda12*"]
    )
    def test_it_knows_names_with_versions(self, line: str) -> None:
        assert conda_spec.packages(line) == [line]

    @pytest.mark.parametrize(
        "line",
        [
            "https://example.org/evil-1.0-0.conda",
            "file:///srv/evil-1.0-0.conda",
            "/srv/evil-1.0-0.conda",
            "evil::numpy",
            "numpy[channel=evil]",
            "numpy[url='https://example.org/a.conda']",
            "--file=/etc/passwd",
            "-c evil",
            "numpy; rm -r /",
            "$(id)",
            "Numpy and friends",
        ],
    )
    def test_it_knows_no_other_place_to_take_them_from(self, line: str) -> None:
        with pytest.raises(conda_spec.InvalidCondaSpecError):
            conda_spec.packages(line)

    def test_it_adds_what_a_lab_needs_in_the_minor_version_of_the_base(self) -> None:
        order = json.loads(conda_spec.build_input(["jupyterlab==4.6.6"], "numpy\n", conda_spec.channels("bioconda")))
        assert order["packages"] == ["python", "pip", "conda", "jupyterlab 4.6.*", "numpy"]
        assert order["channels"] == ["https://conda.anaconda.org/bioconda"]


class TestEnvironment:
    def test_it_tells_the_operator_which_line_is_wrong(self, brain: Environment) -> None:
        brain.packages, brain.channels = "evil::numpy", "http://example.org"
        with pytest.raises(ValidationError) as caught:
            brain.full_clean()
        assert set(caught.value.message_dict) == {"packages", "channels"}
        brain.kind = "venv"
        brain.full_clean()

    def test_it_says_so_in_the_form(self, client: Client, operator: User, brain: Environment) -> None:
        client.force_login(operator)
        form = {"slug": "brain", "name": "Brain", "kind": "conda", "packages": "numpy", "channels": "http://x.org"}
        text = client.post(f"/admin/lab/environment/{brain.pk}/change/", form).content.decode()
        assert "“http://x.org” is not a channel" in text

    def test_it_builds_what_was_asked_for_then(self, operator: User, brain: Environment, queue: Queue) -> None:
        brain.channels = "bioconda"
        build = builds.request_build(operator, brain)
        assert (build.kind, build.packages, build.channels) == ("conda", "nest-simulator", "bioconda")

    def test_it_queues_no_build_of_a_wrong_order(self, operator: User, brain: Environment) -> None:
        brain.channels = "http://x.org"
        with pytest.raises(builds.CannotBuildError, match="not a channel"):
            builds.request_build(operator, brain)
        assert not Build.objects.exists()

    def test_it_looks_again_when_it_builds(
        self, operator: User, brain: Environment, channel: Path, settings: Settings, tmp_path: Path
    ) -> None:
        """The setting may have changed, or the directory become a link, while the task was waiting."""
        settings.LAB_ROOT = tmp_path / "lab"
        brain.channels = channel.as_uri()
        build = builds.request_build(operator, brain)
        channel.rmdir()
        channel.symlink_to("/etc")
        builds.run(build.pk)
        build.refresh_from_db()
        assert build.state == BuildState.FAILED
        assert "LAB_CONDA_FILES" in build.error


class TestInterpreter:
    """`bin/python` of what was built: Labs are shown the directory that it lies in."""

    def prefix(self, tmp_path: Path, target: str) -> Path:
        made = tmp_path / "prefix"
        (made / "bin").mkdir(parents=True)
        (made / "bin/python").symlink_to(target)
        return made

    @pytest.mark.parametrize("target", ["python3.13", "/usr/bin/python3", sys.executable])
    def test_it_may_be_its_own_or_the_machines(self, tmp_path: Path, target: str) -> None:
        assert not build_sandbox.has_foreign_interpreter(self.prefix(tmp_path, target))

    @pytest.mark.parametrize("target", ["/srv/site/var/lab/x", "/home/ada/python", "../../../bin/python", "/usrx/a/b"])
    def test_it_may_not_be_elsewhere(self, tmp_path: Path, target: str) -> None:
        prefix = self.prefix(tmp_path, target)
        assert build_sandbox.has_foreign_interpreter(prefix)
        assert str((prefix / "bin/python").resolve().parent.parent) in bwrap.interpreter(prefix)  # why it matters


class TestLaunch:
    def environment(self, prefix: Path) -> dict[str, str]:
        return Launch("0" * 32, "ada", "Ada", "a@example.org", "t", str(prefix), [], "none").environment()

    def test_a_virtual_environment_is_told_as_before(self, tmp_path: Path) -> None:
        found = self.environment(tmp_path)
        assert found["VIRTUAL_ENV"] == str(tmp_path)
        assert not [name for name in found if name.startswith("CONDA")]

    def test_a_conda_environment_is_active(self, tmp_path: Path) -> None:
        (tmp_path / "conda-meta").mkdir()
        found = self.environment(tmp_path)
        assert (found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"]) == (str(tmp_path), str(tmp_path))
        assert found["PATH"].startswith(f"{tmp_path}/bin:")
        assert "VIRTUAL_ENV" not in found

    def test_one_with_conda_is_its_base(self, tmp_path: Path) -> None:
        (tmp_path / "conda-meta").mkdir()
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/conda").touch()
        found = running.variables(str(tmp_path))
        assert found["CONDA_DEFAULT_ENV"] == "base"
        assert found["CONDA_EXE"] == f"{tmp_path}/bin/conda"


class TestActivation:
    """inside/activation.py, as a Lab runs it."""

    def activated(self, prefix: Path, **more: str) -> dict[str, str]:
        code = "import activation, json, os; activation.activate(); print(json.dumps(dict(os.environ)))"
        environment = {"PATH": "/usr/bin:/bin", "CONDA_PREFIX": str(prefix), "PYTHONPATH": str(INSIDE), **more}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=30
        )
        return json.loads(done.stdout)

    def put(self, prefix: Path, path: str, text: str) -> None:
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_text(text)

    def test_it_sets_what_packages_ask_for(self, tmp_path: Path) -> None:
        self.put(tmp_path, "etc/conda/env_vars.d/a.json", '{"A": "1", "B": "1", "NOT": 1, "": "x", "a=b": "c"}')
        self.put(tmp_path, "etc/conda/env_vars.d/b.json", "no JSON")
        self.put(tmp_path, "conda-meta/state", '{"version": 1, "env_vars": {"B": "2", "GONE": "***unset***"}}')
        found = self.activated(tmp_path, GONE="here")
        assert (found["A"], found["B"]) == ("1", "2")
        assert not {"NOT", "", "a=b", "GONE"} & set(found)

    def test_it_runs_their_scripts_in_order(self, tmp_path: Path) -> None:
        self.put(tmp_path, "etc/conda/activate.d/1.sh", 'echo said; export A="two\nlines"; export B=1; unset OLD')
        self.put(tmp_path, "etc/conda/activate.d/2.sh", "export B=$B$B; cd /; NOT_EXPORTED=1")
        self.put(tmp_path, "etc/conda/activate.d/3.fish", "set B 3")
        found = self.activated(tmp_path, OLD="x", KEPT="y")
        assert (found["A"], found["B"], found["KEPT"]) == ("two\nlines", "11", "y")
        assert not {"OLD", "NOT_EXPORTED", "_", "SHLVL"} & set(found)

    @pytest.mark.parametrize("script", ["exit 0", "exit 1", "kill -9 $$"])
    def test_it_goes_on_without_what_does_not_end(self, tmp_path: Path, script: str) -> None:
        self.put(tmp_path, "etc/conda/activate.d/1.sh", f"export A=1; {script}")
        found = self.activated(tmp_path)
        assert "A" not in found
        assert found["PATH"] == "/usr/bin:/bin"

    def test_it_does_nothing_where_there_is_no_conda(self, tmp_path: Path) -> None:
        self.put(tmp_path, "etc/conda/activate.d/1.sh", "export A=1")
        assert "A" not in self.activated(tmp_path, CONDA_PREFIX="")
