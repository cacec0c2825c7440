"""Plotly in JupyterLab: its script when a figure needs it, in place of its extension, which loads it with each page.

That extension is one program of 4.8 MB, which JupyterLab waits for before it opens anything, and which a page that was
loaded before `pip install plotly` has not got. Ours (frontend/jupyterlab_extension/src/plotly.ts) draws in both.
Standard library only.
"""

import sys
import sysconfig
from pathlib import Path
from typing import Any

EXTENSION = "jupyterlab-plotly"
SCRIPT = "plotly/package_data/plotly.min.js"


def prepare(settings: "dict[str, Any]") -> None:
    """Leave the extension out of JupyterLab's pages. `settings`: of the server's application."""
    earlier = settings.get("page_config_hook")

    def leave_out(handler: Any, page_config: "dict[str, Any]") -> "dict[str, Any]":
        found = page_config.get("federated_extensions")
        if handler.name == "lab" and found:
            page_config["federated_extensions"] = [one for one in found if one.get("name") != EXTENSION]
        return earlier(handler, page_config) if earlier else page_config

    settings["page_config_hook"] = leave_out


def find() -> "Path | None":
    """The script of the plotly that is installed now: by the environment, or for the person (`pip install --user`)."""
    places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths("posix_user")["purelib"], *sys.path]
    return next((file for place in places if place and (file := Path(place, SCRIPT)).is_file()), None)
