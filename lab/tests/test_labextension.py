"""The extension of JupyterLab: what is committed can be loaded, and was compiled against the Lab's JupyterLab."""

import json
import re
from pathlib import Path
from typing import Any

from lab.supervisor import launch, sandbox_command

CODE = Path(__file__).resolve().parents[2]
SOURCES = CODE / "frontend/jupyterlab_extension"
BUILT = sandbox_command.INSIDE / "labextensions/collaboratory"


def test_it_holds_the_file_that_jupyterlab_loads_first() -> None:
    """Whether it is what frontend/ builds, `bin/build-frontend --check` says."""
    build = json.loads((BUILT / "package.json").read_text())["jupyterlab"]["_build"]
    assert build["extension"] == "./extension"
    assert re.fullmatch(r"static/remoteEntry\.[0-9a-f]+\.js", build["load"])
    assert (BUILT / build["load"]).is_file()


def test_it_is_compiled_against_the_jupyterlab_of_the_base_environment() -> None:
    """Of packages that JupyterLab's last patch did not change, npm has those of an earlier one."""
    pins = (CODE / "lab/environments/pins/base.txt").read_text()
    [wanted] = re.findall(r"^jupyterlab==(\S+)$", pins, re.MULTILINE)
    lock = (CODE / "frontend/yarn.lock").read_text()
    found = dict(re.findall(r'resolution: "@jupyterlab/(\w+)@npm:([^"]+)"', lock))
    assert found["application"] == wanted
    same_minor = tuple(wanted.split(".")[:2])
    for name in ("cells", "codemirror", "console", "docregistry", "mainmenu", "notebook", "statusbar"):
        assert tuple(found[name].split(".")[:2]) == same_minor, name


def test_what_it_relies_on_inside_other_packages_is_noted_by_its_sum() -> None:
    """The build compares them (relied_on.mjs), and CI builds: an upgrade that changes one does not go unread."""
    sums = json.loads((SOURCES / "relied_on.json").read_text())
    assert len(sums) > 10
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in sums.values())
    package = json.loads((SOURCES / "package.json").read_text())
    assert "node relied_on.mjs" in package["scripts"]["build:prod"]
    assert re.fullmatch(r"[0-9.]+", package["dependencies"]["@jupyter/collaboration"])  # no range


def test_it_reads_the_option_that_a_launch_writes() -> None:
    source = (SOURCES / "src/editingTogether.ts").read_text()
    assert f'PageConfig.getOption("{launch.COEDITING_OPTION}") === "true" &&' in source
    assert launch.page_config(True)[launch.COEDITING_OPTION] is True
    assert launch.page_config(False)[launch.COEDITING_OPTION] is False


def test_it_takes_the_place_of_what_runs_cells() -> None:
    """Else JupyterLab has two plugins for one token, and loads neither extension."""
    built = json.loads((BUILT / "package.json").read_text())["jupyterlab"]
    assert built["disabledExtensions"] == ["@jupyterlab/notebook-extension:cell-executor"]


def test_language_servers_are_there_where_the_environment_has_jupyterlabs_extension_for_them(tmp_path: Path) -> None:
    given: dict[str, Any] = {"server_id": "a" * 32, "username": "ada", "display_name": "Ada", "email": "", "token": "t"}
    made = launch.Launch(**given, prefix=str(tmp_path), mounts=[], network="none")
    for is_there in (False, True):
        if is_there:
            (tmp_path / launch.LANGUAGE_SERVERS).mkdir(parents=True)
        assert made.jupyter_config()["ServerApp"]["jpserver_extensions"]["jupyter_lsp"] == is_there
        page = launch.page_config(False, language_server=made.has_language_server)
        assert (set(launch.OF_LANGUAGE_SERVERS) & set(page["disabledExtensions"]) == set()) == is_there
        assert launch.NEWS in page["disabledExtensions"]
