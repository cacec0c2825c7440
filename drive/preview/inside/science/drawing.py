"""Arrays as HTML without scripts: pictures, plots, heads of tables, and steppers through stacks of pictures."""

import base64
import html
import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from ..page import document

MOST_STEPS = 64
"""Pictures of one stepper."""
HEAD_ROWS, HEAD_COLUMNS = 8, 8
TEXT = 200
"""Characters of a value."""
PLOT_WIDTH, PLOT_HEIGHT, PLOT_POINTS = 640, 160, 640
LINES = 8

_STYLE = """
h1 { font-size: 1.15rem; margin: 0 0 .6rem; }
h2 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
details, .leaf { border-left: 2px solid var(--line); padding-left: .8rem; margin: .35rem 0; }
summary { cursor: pointer; }
summary code { color: var(--muted); }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .15rem 1rem;
  margin: .5rem 0; font-size: .9rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
td, th { text-align: left; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: .5rem 0; } figcaption { color: var(--muted); font-size: .85rem; text-align: center; }
.views { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1.25rem; }
.stepper { display: flex; flex-wrap: wrap; }
.stepper .stack { flex: 0 0 100%; order: -1; }
.stepper .stack figure { display: none; margin: 0 0 .3rem; }
.stepper input { appearance: none; flex: 1 1 2px; min-width: 0; height: 1.4rem; margin: 0; cursor: pointer;
  background: linear-gradient(var(--line), var(--line)) center / 100% .3rem no-repeat; }
.stepper input:checked { background: var(--accent); border-radius: 3px; }
.stepper input:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.stack img, .heat { display: block; margin: 0 auto; background: #000; }
.heat { image-rendering: pixelated; }
.plot { background: var(--sunken); border-radius: 6px; display: block; }
.plot path { fill: none; stroke-width: 1.4; vector-effect: non-scaling-stroke; }
"""
_COLOURS = ["#3b7ddd", "#d9822b", "#2f9e62", "#c94f7c", "#8a63d2", "#7d7a1d", "#1f9fb3", "#9a6b4f"]


def page(body: str) -> str:
    """A whole page, with the style of this module."""
    steps = ",".join(
        f".stepper input:nth-of-type({n}):checked~.stack>:nth-child({n})" for n in range(1, MOST_STEPS + 1)
    )
    return document(f"<style>{_STYLE}{steps}{{display:block}}</style>{body}")


def text(value: object, most: int = TEXT) -> str:
    """A value as HTML, cut."""
    shown = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in shown[: most + 1])
    return html.escape(shown if len(shown) <= most else f"{shown[:most]}…")


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Names and values."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in pairs)}</dl>"


def note(sentence: str) -> str:
    """A sentence about what is shown."""
    return f'<p class="note">{html.escape(sentence)}</p>'


def size(shape: Sequence[int]) -> str:
    """A shape as people write it."""
    return " × ".join(f"{length:,}" for length in shape) or "one value"


def greys(values: np.ndarray, bounds: tuple[float, float] | None = None) -> np.ndarray:
    """Values as bytes between two bounds, or those between which 99 % of them are."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float32), posinf=0, neginf=0)
    low, high = bounds or window_of(values)
    return (np.clip((values - low) / ((high - low) or 1), 0, 1) * 255).astype(np.uint8)


def window_of(values: np.ndarray) -> tuple[float, float]:
    """The bounds between which 99 % of the finite values are."""
    sample = np.asarray(values, dtype=np.float32).ravel()
    sample = sample[:: max(1, sample.size // 200_000)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, (0.5, 99.5))
    return (float(low), float(high)) if high > low else (float(sample.min()), float(sample.max()))


def picture(
    pixels: np.ndarray,
    alt: str,
    *,
    width: int = 0,
    height: int = 0,
    kind: str = "JPEG",
    css: str = "",
    share: float = 0,
) -> str:
    """Bytes as a picture: rows × columns, or × 3 colours; `width` and `height` to which it is scaled, in pixels.

    `share`: of the width that there is on the page.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if width and height and (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 85} if kind == "JPEG" else {}))
    data = base64.b64encode(file.getvalue()).decode()
    size = f'style="width: {share:.1%}"' if share else f'width="{image.width}" height="{image.height}"'
    return f'<img class="{css}" {size} alt="{text(alt)}" src="data:image/{kind.lower()};base64,{data}">'


def stepper(name: str, pictures: Sequence[tuple[str, str]], start: int = 0) -> str:
    """A stack of pictures with captions, one of which is seen: radio buttons go through them by click or key."""
    figures = "".join(
        f"<figure>{picture}<figcaption>{text(caption)}</figcaption></figure>" for picture, caption in pictures
    )
    inputs = "".join(
        f'<input type="radio" name="{text(name)}" aria-label="{text(caption)}"{" checked" if at == start else ""}>'
        for at, (_, caption) in enumerate(pictures)
    )
    if len(pictures) == 1:
        inputs = inputs.replace("<input ", "<input hidden ")
    return (
        f'<div class="stepper" role="group" aria-label="{text(name)}">{inputs}<div class="stack">{figures}</div></div>'
    )


def spread(count: int, most: int = MOST_STEPS) -> list[int]:
    """At most so many numbers below `count`, evenly."""
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, most))}) if count > 0 else []


def plot(columns: np.ndarray, alt: str) -> str:
    """Values × lines as a plot: of many values, the least and the greatest of each stretch."""
    columns = np.asarray(columns, dtype=np.float64)[:, :LINES]
    finite = columns[np.isfinite(columns)]
    if len(columns) < 2 or not finite.size:
        return ""
    low, high = float(finite.min()), float(finite.max())
    lines = "".join(
        f'<path stroke="{colour}" d="{_path(columns[:, at], low, high)}"/>'
        for at, colour in zip(range(columns.shape[1]), _COLOURS, strict=False)
    )
    caption = f"{len(columns):,} values from {low:.6g} to {high:.6g}"
    view = f'viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}"'
    return (
        f'<figure><svg class="plot" role="img" aria-label="{text(alt)}" preserveAspectRatio="none" {view}>{lines}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _path(values: np.ndarray, low: float, high: float) -> str:
    count = len(values)
    if count > 2 * PLOT_POINTS:
        edges = np.linspace(0, count, PLOT_POINTS + 1).astype(int)
        parts = [values[a:b] for a, b in pairwise(edges)]
        points = [(at, bound(part)) for at, part in enumerate(parts) for bound in (np.min, np.max)]
        x = np.array([at for at, _ in points]) * PLOT_WIDTH / PLOT_POINTS
        values = np.array([value for _, value in points])
    else:
        x = np.linspace(0, PLOT_WIDTH, count)
    y = PLOT_HEIGHT - 6 - (values - low) / ((high - low) or 1) * (PLOT_HEIGHT - 12)
    words, pen = [], "M"
    for across, up in zip(x, y, strict=True):
        if not np.isfinite(up):
            pen = "M"
            continue
        words.append(f"{pen}{across:.1f} {up:.1f}")
        pen = "L"
    return "".join(words)


def window(shape: Sequence[int], *, whole: bool = False) -> tuple[Any, ...]:
    """The part of an array that is read to be shown: the first values, or the plane in the middle of more dimensions.

    `whole`: each value may be of any size, as texts are.
    """
    if whole:
        return tuple(slice(0, HEAD_ROWS) for _ in shape[:2]) + (0,) * (len(shape) - 2)
    if len(shape) < 2:
        return tuple(slice(0, 100_000) for _ in shape)
    if len(shape) == 2:
        return (slice(0, 100_000 if shape[1] <= 2 * LINES else 1000), slice(0, 1000))
    if len(shape) == 3 and shape[-1] in (3, 4):
        return (slice(0, 1000), slice(0, 1000), slice(None))
    return (*(length // 2 for length in shape[:-2]), slice(0, 1000), slice(0, 1000))


def array(values: np.ndarray, alt: str, shape: Sequence[int] | None = None) -> str:
    """Values that `window` chose, of an array of this shape: a plot or a picture, and the first of them."""
    values, shape = np.asarray(values), tuple(shape if shape is not None else np.shape(values))
    parts = []
    if values.size and values.dtype.kind in "biufc" and values.dtype.itemsize <= 16:
        numbers = np.abs(values) if values.dtype.kind == "c" else values
        parts.append(_drawn(numbers, alt))
    parts.append(_head(values))
    if (said := _part(values.shape, shape)) and parts:
        parts.append(note(said))
    return "".join(parts)


def _part(shown: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if not shape or int(np.prod(shown)) == int(np.prod(shape, dtype=object)):
        return ""
    middle = "the plane in the middle, of which " if len(shape) > len(shown) else ""
    return f"Read for this page: {middle}{size(shown)} of {size(shape)} values."


def _drawn(values: np.ndarray, alt: str) -> str:
    if values.ndim == 1:
        return plot(values[:, None], alt) if values.size > 2 else ""
    if values.ndim == 3:
        return _heat(values[..., :3] if values.dtype == np.uint8 else greys(values[..., :3]), alt)
    if values.ndim != 2 or min(values.shape) < 2:
        return plot(values.reshape(-1, 1), alt) if values.ndim == 2 and values.size > 2 else ""
    if values.shape[1] <= 2 * LINES and values.shape[0] > 4 * values.shape[1]:
        return plot(values, alt)
    if values.shape[0] <= 2 * LINES and values.shape[1] > 4 * values.shape[0]:
        return plot(values.T, alt)
    return _heat(greys(values), alt) if min(values.shape) >= 8 else ""


def _heat(pixels: np.ndarray, alt: str) -> str:
    scale = max(1, 320 // max(pixels.shape[:2]))
    width, height = pixels.shape[1] * scale, pixels.shape[0] * scale
    enlarged = np.repeat(np.repeat(pixels, scale, 0), scale, 1)
    return f"<figure>{picture(enlarged, alt, width=width, height=height, kind='PNG', css='heat')}</figure>"


def _head(values: np.ndarray) -> str:
    if values.dtype.names:
        return _records(values)
    if values.ndim == 0:
        return f"<p><code>{text(_value(values[()]), 1000)}</code></p>"
    rows = values.reshape(1, -1) if values.ndim == 1 else values.reshape(values.shape[0], -1)
    cut = rows[:HEAD_ROWS, :HEAD_COLUMNS]
    more = "<td>…</td>" if rows.shape[1] > HEAD_COLUMNS else ""
    lines = ["<tr>" + "".join(f"<td>{text(_value(value), 60)}</td>" for value in row) + f"{more}</tr>" for row in cut]
    if len(rows) > HEAD_ROWS:
        lines.append(f"<tr>{'<td>…</td>' * cut.shape[1]}{more}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _records(values: np.ndarray) -> str:
    names = list(values.dtype.names or ())[: 2 * HEAD_COLUMNS]
    head = "".join(f"<th>{text(name)}</th>" for name in names)
    rows = (
        "<tr>" + "".join(f"<td>{text(_value(row[name]), 60)}</td>" for name in names) + "</tr>"
        for row in values.ravel()[:HEAD_ROWS]
    )
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _value(value: Any) -> object:
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    if isinstance(value, np.ndarray):
        return f"[{', '.join(str(_value(item)) for item in value.ravel()[:HEAD_COLUMNS])}{', …' * (value.size > 8)}]"
    return value
