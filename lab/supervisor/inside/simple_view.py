"""The simple view: a notebook on a page of Jupyter Notebook 7, without JupyterLab around it (`/notebooks/<path>`).

The page and its programs are those of the package `notebook` in the environment. Its server extension is not loaded,
which would add to each launch what JupyterLab has added already: settings, kernels and contents have the same addresses
for both pages. Where the environment has no such package JupyterLab opens, as it does for what is no notebook.
"""

import functools
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import reading  # type: ignore[import-not-found]  # beside this file
from jinja2 import Environment, FileSystemLoader
from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import FileFindHandler, JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_escape, url_path_join
from jupyterlab_server.handlers import LabHandler
from tornado import web

APPLICATION = "lab"
"""JupyterLab's server extension, whose page options both pages have."""
PACKAGE = "notebook"
PAGE = "notebooks.html"
NOTEBOOK = ".ipynb"
STATIC_OPTION = "notebookStaticUrl"
"""In page_config.json, where the package's programs are published (lab/environments/static_files.py)."""
OFFERED_OPTION = "collaboratorySimpleView"
"""In both pages: whether this environment has it (frontend/jupyterlab_extension/src/simpleView.ts)."""
THEIR_EXTENSION = "@jupyter-notebook/lab-extension"
"""The package's own for JupyterLab: links to pages that are not there."""
OF_JUPYTERLAB = ("mode", "workspace", "treePath", "notFoundUrl")
"""Options that JupyterLab's page has added for one address."""


def package() -> "Path | None":
    """Folder of Jupyter Notebook in this environment, from version 7 on."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders and Path(folders[0], "templates", PAGE).is_file() else None


class SimpleViewHandler(LabHandler):
    """`GET /notebooks/<path>`: the page of one notebook."""

    def initialize(self) -> None:
        super().initialize(name=APPLICATION)

    @web.authenticated
    async def get(self, path: str) -> None:
        found = package()
        is_notebook = path.endswith(NOTEBOOK) and not await ensure_async(self.contents_manager.dir_exists(path))
        if found is None or not is_notebook:
            self.redirect(jupyterlab_address(self, path))
            return
        config = {name: value for name, value in self.get_page_config().items() if name not in OF_JUPYTERLAB}
        config |= {
            "appName": "Jupyter Notebook",
            "appVersion": importlib.metadata.version(PACKAGE),
            "appNamespace": PACKAGE,
            "frontendUrl": self.base_url,
            "exposeAppInBrowser": False,
            "fullStaticUrl": config.get(STATIC_OPTION) or url_path_join(self.base_url, "static", PACKAGE),
        }
        self.templates = found / "templates"
        self.finish(self.render_template(PAGE, page_config=config))

    def get_template(self, name: str) -> Any:
        return _environment(self.templates).get_template(name)


@functools.cache
def _environment(templates: Path) -> Environment:
    return Environment(loader=reading.ReadingLoader(FileSystemLoader(templates)), autoescape=True)


class JupyterLabHandler(JupyterHandler):
    """Other addresses that pages of Jupyter Notebook lead to: of files and folders, consoles and terminals."""

    @web.authenticated
    def get(self, path: "str | None" = None) -> None:
        self.redirect(jupyterlab_address(self, path or ""))


def jupyterlab_address(handler: JupyterHandler, path: str) -> str:
    """JupyterLab's own for a path, decoded, below the home; with the address's query."""
    place = f"lab/tree/{url_escape(path.strip('/'))}" if path.strip("/") else "lab"
    query = f"?{handler.request.query}" if handler.request.query else ""
    return url_path_join(handler.base_url, place) + query


class ProgramHandler(FileFindHandler):
    """`GET /static/notebook/<file>`: what is not published, from the package in this environment."""

    _static_paths: "dict[str, str]" = {}  # of its base class it would be one for all folders

    def initialize(self) -> None:
        found = package()
        super().initialize(path=[str(found / "static")] if found else [])


ADDRESSES = {
    r"notebooks/(.+)": SimpleViewHandler,
    r"(?:tree|edit)(?:/(.*))?": JupyterLabHandler,
    r"(?:consoles|terminals)/[^/]*/?": JupyterLabHandler,
    r"static/notebook/(.+)": ProgramHandler,
}


def prepare(app: ServerApp) -> None:
    """Have these addresses, behind those of the environment's own server extensions."""
    handlers = [(url_path_join(app.base_url, address), handler) for address, handler in ADDRESSES.items()]
    app.web_app.add_handlers(".*$", handlers)
    earlier = app.web_app.settings.get("page_config_hook")

    def offer(handler: Any, page_config: "dict[str, Any]") -> "dict[str, Any]":
        extensions = page_config.get("federated_extensions", [])
        page_config["federated_extensions"] = [one for one in extensions if one.get("name") != THEIR_EXTENSION]
        page_config[OFFERED_OPTION] = package() is not None
        return earlier(handler, page_config) if earlier else page_config

    app.web_app.settings["page_config_hook"] = offer
