"""Which pages of a Jupyter server name published files (lab/supervisor/inside/published.py)."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lab.supervisor.sandbox_command import INSIDE


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(INSIDE))
    import published  # type: ignore[import-not-found]

    yield published.prepare
    sys.modules.pop("published")


def test_jupyterlab_finds_its_own_and_another_application_keeps_its(prepare: Any) -> None:
    settings: dict[str, Any] = {}
    prepare(settings)
    for name, expected in (("lab", "/published"), ("notebook", "/static/x")):
        page = {"fullStaticUrl": "/static/x", "labStaticUrl": "/published"}
        assert settings["page_config_hook"](SimpleNamespace(name=name), page)["fullStaticUrl"] == expected


def test_without_published_files_it_is_the_servers(prepare: Any) -> None:
    settings: dict[str, Any] = {"page_config_hook": lambda handler, page: page | {"mine": True}}
    prepare(settings)
    page = settings["page_config_hook"](SimpleNamespace(name="lab"), {"fullStaticUrl": "/static/lab"})
    assert page == {"fullStaticUrl": "/static/lab", "mine": True}
