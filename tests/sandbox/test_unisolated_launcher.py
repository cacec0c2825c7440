"""The launcher for a developer alone: it serves, it says that it isolates nothing, and it works with DEBUG on only."""

import uuid
from pathlib import Path

import pytest
from pytest_django import Settings

from lab.launchers import LaunchFailedError, LaunchSpec, Mount
from lab.launchers.unisolated import UnisolatedLauncher

pytestmark = pytest.mark.sandbox


@pytest.fixture
def spec(settings: Settings, tmp_path: Path) -> LaunchSpec:
    settings.DEBUG = True
    settings.LAB_ROOT = tmp_path
    server_id, library = uuid.uuid4(), uuid.uuid4()
    (settings.DRIVE_ROOT / "private" / str(library)).mkdir(parents=True)
    mounts = [Mount("My Libraries", "Notes", library, "rw")]
    prefix = settings.LAB_BASE_ENVIRONMENT
    return LaunchSpec(server_id, "ada", "Ada", "ada@example.org", "token", prefix, mounts, "none")


def test_it_starts_serves_and_leaves_nothing(spec: LaunchSpec) -> None:
    launcher = UnisolatedLauncher()
    assert not launcher.isolated
    launcher.start(spec)
    launcher.wait(spec.server_id, 60)
    assert launcher.inspect()[spec.server_id].state == "running"
    assert (launcher.home(spec.server_id) / "drive/My Libraries/Notes").is_dir()
    launcher.give_token(spec.server_id, "another")
    assert (launcher.home(spec.server_id).parent / "token/token").read_text() == "another"
    assert launcher.inspect()[spec.server_id].token_age is not None
    launcher.remount(spec.server_id, [])
    assert not (launcher.home(spec.server_id) / "drive/My Libraries/Notes").exists()
    launcher.stop(spec.server_id)
    assert launcher.inspect()[spec.server_id].state == "stopped"
    assert launcher.home(spec.server_id).is_dir()
    launcher.destroy(spec.server_id)
    assert launcher.inspect() == {}


def test_it_refuses_without_debug(spec: LaunchSpec, settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(LaunchFailedError, match="DEBUG"):
        UnisolatedLauncher().start(spec)
