"""Libraries of JavaScript that draw interactive outputs: those the repository builds, and Plotly's own wheel brings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

SCRIPTS = {
    "bokeh": "built/bokeh.js",
    "mermaid": "built/mermaid.js",
    "plotly": "plotly/plotly.min.js",
    "vega": "built/vega.js",
}
"""Static file of each library."""


class PlotlyFinder(BaseFinder):
    """Finds Plotly's script among static files: in the environment of the renderer, whose pins name its version."""

    def check(self, **kwargs: Any) -> list[Any]:
        """Nothing is set that could be wrong."""
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Path of the file for a name below STATIC_URL; [] where it is another's, or not installed."""
        files = [file for file in _files() if path == SCRIPTS["plotly"]]
        return list(map(str, files)) if find_all else str(files[0]) if files else []

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        """The file, for collectstatic."""
        for file in _files():
            storage = FileSystemStorage(location=str(file.parent))
            storage.prefix = "plotly"  # type: ignore[attr-defined]
            yield file.name, storage


def _files() -> list[Path]:
    return sorted(
        Path(settings.PREVIEW_ENVIRONMENT).glob("lib/python3*/site-packages/plotly/package_data/plotly.min.js")
    )[:1]
