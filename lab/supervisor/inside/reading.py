"""The pages of JupyterLab and of the simple view, with what is to happen while they are loaded, before everything else.

A notebook to read is shown in front (reading.html), and what the page will ask for first is asked (early.html).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment

PARTS = ("reading.html", "early.html")
PAGES = ("index.html", "notebooks.html")
END = "</head>"
"""Before its last one: what JupyterLab needs of its head has been said, and no script has run."""


class ReadingLoader(BaseLoader):
    """The templates of another loader; those of PAGES with more parts in their heads."""

    def __init__(self, templates: BaseLoader) -> None:
        self.templates = templates
        self.parts = "".join(
            "{% raw %}" + Path(__file__).with_name(name).read_text() + "{% endraw %}" for name in PARTS
        )

    def get_source(
        self, environment: Environment, template: str
    ) -> "tuple[str, str | None, Callable[[], bool] | None]":
        source, file, is_current = self.templates.get_source(environment, template)
        return (source.replace(END, self.parts + END, 1) if template in PAGES else source), file, is_current

    def list_templates(self) -> "list[str]":
        return self.templates.list_templates()


def prepare(settings: "dict[str, Any]") -> None:
    """Have JupyterLab's page made so. `settings`: of the server's application, once JupyterLab is loaded."""
    environment = settings.get("lab_jinja2_env")
    if environment is not None and environment.loader is not None:
        environment.loader = ReadingLoader(environment.loader)
