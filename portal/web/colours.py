"""The site's colours made of one, such that people can read them (WCAG 2.2, contrast AA), in light and dark.

The colour that is asked for is kept where its contrast allows it, else darkened or lightened until it does.
"""

from collections.abc import Sequence
from functools import lru_cache

READABLE = 4.5
GROUNDS = (("#f7f8fa", "#ffffff"), ("#11161d", "#1a212b"))
"""Page and card, light and dark; as in `static/css/tokens.css`."""
TEXTS = ("#18212d", "#e6ebf2")
BLACK, WHITE = "#000000", "#ffffff"
STEPS = 100


@lru_cache(8)
def stylesheet(colour: str) -> str:
    """CSS that sets the accents of `tokens.css` by this colour, `#rrggbb`."""
    light, dark = _scheme(colour, 0), _scheme(colour, 1)
    lines = "".join(f"  --{name}: light-dark({light[name]}, {dark[name]});\n" for name in light)
    return f":root {{\n{lines}}}\n"


def _scheme(colour: str, scheme: int) -> dict[str, str]:
    """Accents of one scheme. `away` is where contrast to the ground grows: black on light, white on dark."""
    away, back = (BLACK, WHITE) if scheme == 0 else (WHITE, BLACK)
    accent = _until(colour, away, GROUNDS[scheme])
    strong = mixed(accent, away, 0.25)
    on_accent = WHITE if scheme == 0 else _until(mixed(accent, BLACK, 0.8), BLACK, (accent, strong))
    ground = next(
        tint
        for share in range(10, STEPS + 1)
        if all(
            contrast(ink, tint := mixed(mixed(colour, back, 0.8), GROUNDS[scheme][1], share / STEPS)) >= READABLE
            for ink in (strong, TEXTS[scheme])
        )
    )
    return {"accent": accent, "accent-strong": strong, "on-accent": on_accent, "info-ground": ground}


def _until(colour: str, towards: str, grounds: Sequence[str]) -> str:
    """The colour, mixed with as little of another as makes it readable on all grounds."""
    tints = (mixed(colour, towards, share / STEPS) for share in range(STEPS + 1))
    return next(tint for tint in tints if all(contrast(tint, ground) >= READABLE for ground in grounds))


def mixed(one: str, other: str, share: float) -> str:
    """`one` with this share, 0 to 1, of `other`."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(mine + (theirs - mine) * share):02x}" for mine, theirs in parts)


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (part / 255 for part in _parts(colour))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
