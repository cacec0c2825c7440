"""Several environments, for real: a Lab in the one that was chosen, and a kernel without a question."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from drive.files import operations
from drive.models import Library
from lab.environments import selection, static_files
from lab.models import Environment, Server, State, StopReason
from lab.servers.services import request_server, stop_server

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, launched_by, wait_for


@pytest.fixture
def other(site: Site) -> Iterator[Environment]:
    """A second environment: the first one's files at another place."""
    first = Environment.objects.default()
    assert first
    prefix = Path(settings.LAB_ROOT) / "environments/other"
    shutil.copytree(first.prefix, prefix, symlinks=True, copy_function=os.link)
    row = Environment.objects.create(slug="other", name="Other", prefix=str(prefix))
    yield row
    for server in Server.objects.live().filter(environment=row):
        stop_server(None, server, StopReason.OPERATOR)
    wait_for(lambda: not Server.objects.live().filter(environment=row).exists(), 60, "it did not stop")
    Server.objects.filter(environment=row).delete()
    row.delete()
    shutil.rmtree(prefix)


@pytest.mark.sandbox
@pytest.mark.parametrize("way", ["fork", "exec"])
def test_it_runs_in_the_environment_that_was_chosen(
    way: str, site: Site, person: Callable[..., Person], other: Environment
) -> None:
    """Interpreter, `pip` and kernels are those of it, the panel is there too, and a new start goes to another."""
    with launched_by(site, way):
        ada = person("ada")
        selection.remember(ada.user, other)
        ada.launch()
        kernel = ada.kernel()
        assert kernel.run("import sys; print(sys.prefix)").text.strip() == other.prefix
        assert f"{other.prefix}/lib" in kernel.run("%pip --version", seconds=60).text
        assert "_JUPYTERLAB" in panel(ada)
        assert page_config(ada)["fullStaticUrl"] == "/static/lab", "what was not published comes from the server"
        stop_server(ada.user, ada.server(), StopReason.ASKED)
        request_server(ada.user, ada.user, environment=Environment.objects.default())
        wait_for(lambda: ada.server().state == State.RUNNING, 60, "no new one")
        ada.enter()
        assert other.prefix not in ada.kernel().run("import sys; print(sys.prefix)").text
        assert "_JUPYTERLAB" in panel(ada)
        extensions = page_config(ada)["fullLabextensionsUrl"]
        assert extensions.startswith(static_files.ADDRESS), "the base environment is published"
        assert page_config(ada)["fullStaticUrl"].startswith(f"{static_files.ADDRESS}/static/")
        elsewhere = ada.lab("GET", f"{extensions}/collaboratory/package.json")
        assert elsewhere.url == f"{ada.origin}/lab/extensions/collaboratory/package.json"
        assert elsewhere.ok, "what is not published comes from the server"


def page_config(person: Person) -> dict[str, Any]:
    """What JupyterLab's page is told."""
    page = person.lab("GET", "/lab").text
    [config] = re.findall(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(config)
    return found


def panel(person: Person) -> str:
    """The first script of our extension, at the address that JupyterLab's page names."""
    config = page_config(person)
    [found] = [each for each in config["federated_extensions"] if each["name"] == "collaboratory"]
    answer = person.lab("GET", f"{config['fullLabextensionsUrl']}/collaboratory/{found['load']}")
    return answer.text if answer.ok else ""


def notebook(metadata: dict) -> bytes:
    cell: dict = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": "1 + 1",
        "id": "a",
    }
    return json.dumps({"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.mark.browser
@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "spinnaker", "display_name": "sPyNNaker"}},
        {"kernelspec": {"name": "ebrains-24.04", "display_name": "EBRAINS-24.04", "language": "python"}},
        {"kernelspec": {"name": "x", "display_name": "x"}, "language_info": {"name": "python"}},
        {},
    ],
)
def test_a_notebook_with_a_foreign_kernel_opens_without_a_question(
    metadata: dict, person: Callable[..., Person], browser: Browser
) -> None:
    """Opened in the Lab itself, so nothing of the portal has started a kernel for it."""
    ada = person("ada")
    library = Library.objects.get(owner_user=ada.user)
    operations.write(ada.user, library, "old.ipynb", notebook(metadata))
    ada.launch()
    visitor = Visitor(browser)
    ada.sign_in_at(visitor.context)
    visitor.page.goto(f"{ada.origin}/lab/tree/drive/My Libraries/My Library/old.ipynb")
    expect(visitor.page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")
    expect(visitor.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible()
    assert not visitor.page.locator(".jp-Dialog").count()
    visitor.page.goto("about:blank")
