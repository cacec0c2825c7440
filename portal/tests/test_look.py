"""Colours that people can read, in both schemes (WCAG 2.2, contrast AA)."""

import re

import pytest
from django.conf import settings

CSS = (settings.BASE_DIR / "static/css/tokens.css").read_text()
COLOURS = {name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS)}
TEXT = [
    *[
        (ink, ground)
        for ink in ("text", "muted", "accent", "accent-strong", "error")
        for ground in ("ground", "surface")
    ],
    *[("text", ground) for ground in ("sunken", "ok-ground", "warn-ground", "error-ground", "info-ground")],
    *[("muted", "sunken"), ("on-accent", "accent"), ("on-accent", "accent-strong"), ("accent-strong", "info-ground")],
    *[(kind, f"{kind}-ground") for kind in ("ok", "warn", "error")],
]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_it_writes_so_that_people_can_read(ink: str, ground: str, scheme: int) -> None:
    assert contrast(COLOURS[ink][scheme], COLOURS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "surface"])
def test_it_draws_fields_so_that_people_can_see_them(ground: str, scheme: int) -> None:
    assert contrast(COLOURS["field-line"][scheme], COLOURS[ground][scheme]) >= 3
