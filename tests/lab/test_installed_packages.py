"""What a person installs: in all their notebooks, in nobody else's, and gone with the environment."""

from collections.abc import Callable

import pytest

from drive.files import operations
from drive.models import Library
from lab.environments import kept_packages
from lab.models import State, StopReason
from lab.servers.services import stop_server

from ..support.packages import install, wheel
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox


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


def test_a_package_that_breaks_kernels_is_named(way: str, site: Site, person: Callable[..., Person]) -> None:
    """Another version of one that kernels need themselves: the next kernel says so at once, and how to go on."""
    someone = person("breaker")
    assert site.is_forked(someone.launch()) == (way == "fork")
    kernel = someone.kernel()
    install(kernel, "tornado")
    started = someone.lab("POST", "/api/kernels", json={"name": "python3"})
    session = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    answers = [started, someone.lab("POST", "/api/sessions", json=session)]
    assert kernel.run("print('goes on')").text.strip() == "goes on"
    answers.append(someone.lab("POST", f"/api/kernels/{kernel.id}/restart"))
    for answer in answers:
        assert answer.status_code == 500
        said = answer.json()["message"]
        for words in ("ended while it was starting", "tornado 1.0 (was 6.", "pip install 'tornado==6.", "fresh Lab"):
            assert words in said
    assert someone.lab("GET", "/api/kernels").status_code == 200


def test_packages_for_next_time_are_there_before_the_first_kernel(
    way: str, site: Site, person: Callable[..., Person]
) -> None:
    """With one that cannot be installed the Lab opens all the same, and says what failed."""
    ada = person("keeper")
    name, library = "labtestkept", Library.objects.get(owner_user=ada.user, is_default=True)
    operations.write(ada.user, library, f"{name}-1.0-py3-none-any.whl", wheel(name))
    drive = f"file:///home/{ada.user.username}/drive/My%20Libraries/My%20Library"
    kept_packages.save(ada.user, ada.user, f"{name} @ {drive}/{name}-1.0-py3-none-any.whl")
    assert site.is_forked(ada.launch()) == (way == "fork")
    assert ada.kernel().run(f"import {name}; print({name}.answer)").text.strip() == "42"
    [kept] = ada.lab("GET", "/api/collaboratory/packages").json()["lists"]
    assert (kept["state"], kept["said"]) == ("installed", "")
    session = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    made = [ada.lab("POST", "/api/sessions", json=session).json() for _ in range(2)]
    assert made[0]["kernel"]["id"] == made[1]["kernel"]["id"]
    ada.leave()

    kept_packages.save(ada.user, ada.user, f"gone @ {drive}/gone-1.0-py3-none-any.whl")
    ada.launch()
    assert "ModuleNotFoundError" in ada.kernel().run(f"import {name}").error
    [failed] = ada.lab("GET", "/api/collaboratory/packages").json()["lists"]
    assert failed["state"] == "failed"
    assert "ERROR" in failed["said"]
