"""Pages, looked at by axe-core."""

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

FORBIDDEN = {"serious", "critical"}


LOOKS: list[tuple[Literal["light", "dark"], int]] = [("light", 1280), ("dark", 320)]
"""320 pixels are also what is left of a screen of 1280 at 400 % (WCAG 2.2, 1.4.10)."""


def wrong(page: Page) -> list[tuple[str, str, list[str]]]:
    """What axe finds serious: rule, impact, and the elements."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        (rule["id"], rule["impact"], [node["html"][:200] for node in rule["nodes"]])
        for rule in found
        if rule["impact"] in FORBIDDEN
    ]
