"""What a person installs: in all their notebooks, in nobody else's, and gone with the environment."""

import base64
import io
import zipfile
from collections.abc import Callable

import pytest

from lab.models import State, StopReason
from lab.servers.services import stop_server

from .people import Kernel, Person
from .site import Site, wait_for

pytestmark = pytest.mark.sandbox


def wheel(name: str) -> bytes:
    """A package of one module, so that the test needs no index."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def install(kernel: Kernel, name: str) -> None:
    """What somebody does in a cell."""
    encoded = base64.b64encode(wheel(name)).decode()
    path = f"/tmp/{name}-1.0-py3-none-any.whl"
    kernel.run(f"import base64; open({path!r}, 'wb').write(base64.b64decode({encoded!r}))")
    result = kernel.run(f"%pip install --no-index {path}", seconds=120)
    assert "Successfully installed" in result.text, result


def test_it_installs_for_one_person_and_one_environment(site: Site, person: Callable[..., Person]) -> None:
    ada, bob = person("ada"), person("bob")
    ada.launch()
    bob.launch()
    install(ada.kernel(), "labtestpackage")
    assert ada.kernel().run("import labtestpackage; print(labtestpackage.answer)").text.strip() == "42"
    assert "ModuleNotFoundError" in bob.kernel().run("import labtestpackage").error
    assert "Successfully uninstalled" in bob.kernel().run("%pip uninstall -y openpyxl", seconds=120).text
    assert "ModuleNotFoundError" in bob.kernel().run("import openpyxl").error
    assert not ada.kernel().run("import openpyxl").error

    server = ada.server()
    ada.kernel().run("open('notes.md', 'w').write('# keep me')")
    stop_server(ada.user, server, StopReason.ASKED)
    wait_for(lambda: ada.server().state == State.STOPPED, 30, "it did not stop")
    assert server.pk.hex not in site.sandboxes()
    assert not [name for name in site.leftovers() if server.pk.hex in name]
    ada.launch()
    kernel = ada.kernel()
    assert "ModuleNotFoundError" in kernel.run("import labtestpackage").error
    assert not kernel.run("import openpyxl").error
    assert "notes.md" not in kernel.run("import os; print(os.listdir('.'))").text
    rescued = kernel.run("!find ~/drive/'My Libraries'/'My Library'/'Rescued from the Lab' -name notes.md").text
    assert "notes.md" in rescued
