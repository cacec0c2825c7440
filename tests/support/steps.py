"""What a person does on the way, counted: presses of the mouse, keys, fields; and the seconds until it was done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import BrowserContext

COUNT = """
for (const [event, kind] of [["pointerdown", "clicks"], ["keydown", "keys"], ["change", "fields"]]) {
  addEventListener(event, (one) => {
    const pressed = ["checkbox", "radio"].includes(one.target.type); // counted as a click
    if (kind !== "fields" || !pressed) window.countStep(kind);
  }, { capture: true });
}
"""
"""Runs in each page before its own scripts. A field that is filled in, chosen, or given files to is one field."""


@dataclass
class Act:
    """A part of the story."""

    name: str
    clicks: int = 0
    keys: int = 0
    fields: int = 0
    seconds: float = 0.0


class Steps:
    """Acts, one after the other, of whoever is at the browsers that are watched."""

    def __init__(self, *contexts: BrowserContext) -> None:
        self.acts: list[Act] = []
        self._now: Act | None = None
        for context in contexts:
            context.expose_binding("countStep", lambda _source, kind: self._count(kind))
            context.add_init_script(COUNT)

    def _count(self, kind: str) -> None:
        if self._now:
            setattr(self._now, kind, getattr(self._now, kind) + 1)

    @contextmanager
    def act(self, name: str) -> Iterator[None]:
        """Count what is done within, and how long it takes until what is asked for is seen."""
        self._now = Act(name)
        self.acts.append(self._now)
        began = time.monotonic()
        yield
        self._now.seconds = time.monotonic() - began
        self._now = None

    def table(self) -> str:
        """The acts and their sum, in Markdown."""
        total = Act("all")
        for one in self.acts:
            for name in ("clicks", "keys", "fields", "seconds"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        rows = [f"| {a.name} | {a.clicks} | {a.fields} | {a.keys} | {a.seconds:.1f} |" for a in [*self.acts, total]]
        return "\n".join(["| act | clicks | fields | keys | seconds |", "|---|---|---|---|---|", *rows, ""])
