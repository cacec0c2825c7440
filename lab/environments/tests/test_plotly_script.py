"""Plotly in JupyterLab: its extension is left out of pages, and its script found where it is installed now."""

import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.environments import static_files
from lab.supervisor.sandbox_command import INSIDE

sys.path.insert(0, str(INSIDE))
import plotly_script  # type: ignore[import-not-found]

sys.path.remove(str(INSIDE))

OTHER = {"name": "jupyter-matplotlib", "load": "static/a.js"}


def extensions(name: str, page: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    plotly_script.prepare(settings)
    found: dict[str, Any] = settings["page_config_hook"](SimpleNamespace(name=name), page)
    return found


def test_jupyterlab_does_not_load_its_extension() -> None:
    page = {"federated_extensions": [{"name": plotly_script.EXTENSION, "load": "static/b.js"}, OTHER]}
    assert extensions("lab", dict(page)) == {"federated_extensions": [OTHER]}
    assert extensions("notebook", dict(page)) == page, "another application may not have what draws in its place"
    assert extensions("lab", {}) == {}


def test_what_another_part_does_to_pages_is_done() -> None:
    settings: dict[str, Any] = {"page_config_hook": lambda handler, page: page | {"mine": True}}
    plotly_script.prepare(settings)
    assert settings["page_config_hook"](SimpleNamespace(name="lab"), {}) == {"mine": True}


def test_it_is_not_published_either() -> None:
    assert static_files.LEFT_OUT == plotly_script.EXTENSION


def test_its_script_is_found_when_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme="venv": {"purelib": str(tmp_path / scheme)})
    monkeypatch.setattr(sys, "path", [""])
    assert plotly_script.find() is None
    for scheme in ("posix_user", "venv"):
        script = tmp_path / scheme / "plotly/package_data/plotly.min.js"
        script.parent.mkdir(parents=True)
        script.write_text(scheme)
        assert plotly_script.find() == script
