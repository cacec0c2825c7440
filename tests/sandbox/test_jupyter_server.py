"""What a Lab's Jupyter server does otherwise than a bare one, so that a notebook opens sooner."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.supervisor.sandbox_command import INSIDE

from ..support.people import Person
from ..support.site import Site, base_environment

pytestmark = pytest.mark.sandbox

EXPORTER = """
from pathlib import Path
from nbconvert.exporters import NotebookExporter
class Counted(NotebookExporter):
    output_mimetype = "text/x-counted"
    def __init__(self, **options):
        super().__init__(**options)
        with Path.home().joinpath("made").open("a") as file:
            file.write("x")
"""
INSTALL = f"""
import sysconfig
from pathlib import Path
packages = Path(sysconfig.get_path("purelib"))
packages.joinpath("counted_exporter.py").write_text({EXPORTER!r})
described = packages / "counted_exporter-1.dist-info"
described.mkdir()
described.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: counted-exporter\\nVersion: 1\\n")
described.joinpath("entry_points.txt").write_text("[nbconvert.exporters]\\ncounted = counted_exporter:Counted\\n")
"""
ASK_NBCONVERT = """
import json
from nbconvert.exporters import base
kinds = {name: base.get_exporter(name).output_mimetype for name in base.get_export_names()}
print(json.dumps({name: {"output_mimetype": kind} for name, kind in kinds.items()}))
"""
MADE = "print(Path.home().joinpath('made').read_text())"


def test_it_tells_the_formats_of_nbconvert_and_finds_those_installed_later(
    way: str, site: Site, person: Callable[..., Person]
) -> None:
    someone = person("formats")
    assert site.is_forked(someone.launch()) == (way == "fork")
    kernel = someone.kernel()
    found = someone.lab("GET", "/api/nbconvert").json()
    asked = kernel.run(ASK_NBCONVERT)
    assert not asked.error, asked.traceback
    assert found == json.loads(asked.text)
    assert {"html", "pdf", "script"} <= set(found)

    assert not kernel.run(INSTALL).error
    counted = {"counted": {"output_mimetype": "text/x-counted"}}
    assert someone.lab("GET", "/api/nbconvert").json() == found | counted
    made = kernel.run(MADE).text
    assert made.strip()
    assert someone.lab("GET", "/api/nbconvert").json() == found | counted
    assert kernel.run(MADE).text == made, "it was found again"


@pytest.mark.parametrize("name", ["node", "nodejs"])
def test_it_asks_no_node_for_settings_as_it_starts(tmp_path: Path, name: str) -> None:
    """JupyterLab by itself does, which the last lines hold: should it stop to, this has become needless."""
    asked = tmp_path / "asked"
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {name} >> {asked}\n")
    program.chmod(0o755)
    path = str(program.parent)
    home = {"HOME": str(tmp_path), "PATH": path, "PYTHONPATH": str(INSIDE), "PYTHONDONTWRITEBYTECODE": "1"}
    python = f"{base_environment().prefix}/bin/python"

    def run(code: str) -> str:
        done = subprocess.run([python, "-c", code], env=home, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout.strip()

    looked = "import os, sys; print('jupyterlab.labapp' in sys.modules, os.environ['PATH'])"
    assert run(f"import serving; serving.import_jupyterlab(); {looked}") == f"True {path}"
    assert not asked.exists()
    run("import jupyterlab.labapp")
    assert asked.read_text().startswith(name)
