"""Where JupyterLab's page finds its own programs: published by the portal (lab/environments/static_files.py).

The page's own option, `fullStaticUrl`, cannot be in page_config.json, which other applications of the same server read
too, such as Notebook 7: theirs are others.
"""

from typing import Any

OPTION = "{}StaticUrl"
"""In page_config.json, by the application's name."""


def prepare(settings: "dict[str, Any]") -> None:
    """Have the pages say so. `settings`: of the server's application."""
    earlier = settings.get("page_config_hook")

    def name_published(handler: Any, page_config: "dict[str, Any]") -> "dict[str, Any]":
        if url := page_config.get(OPTION.format(handler.name)):
            page_config["fullStaticUrl"] = url
        return earlier(handler, page_config) if earlier else page_config

    settings["page_config_hook"] = name_published
