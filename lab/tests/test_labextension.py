"""The extension of JupyterLab: what is committed can be loaded, and was compiled against the Lab's JupyterLab."""

import json
import re
from pathlib import Path

from lab.supervisor import sandbox_command

CODE = Path(__file__).resolve().parents[2]
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
    for name in ("console", "mainmenu", "notebook", "statusbar"):
        assert tuple(found[name].split(".")[:2]) == same_minor, name
