"""Outlines of GeoJSON (RFC 7946) as a drawing, and the properties of its first features."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..page import InvalidContentError
from . import drawing
from .drawing import text

WIDTH, MOST_HEIGHT = 900, 700
MOST_POINTS, MOST_FEATURES, MOST_DEPTH = 300_000, 20_000, 8
LISTED, COLUMNS = 50, 10
Point = tuple[float, float]


def geojson(file: Path) -> str:
    """A drawing without a map, in which a degree of longitude is as wide as it is in the middle."""
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidContentError("This is not valid JSON.") from error
    features = list(_features(content))
    if not features:
        raise InvalidContentError("There are no features in this file.")
    shapes, points = [], 0
    for feature in features[:MOST_FEATURES]:
        parts = list(_parts(feature.get("geometry"), 0))
        points += sum(len(line) for line, _ in parts)
        if points > MOST_POINTS:
            break
        shapes.append((feature, parts))
    body = _drawing(shapes)
    if len(shapes) < len(features):
        body += drawing.note(f"Drawn are the first {len(shapes):,} of {len(features):,} features.")
    return drawing.page(body + _properties(features))


def _features(content: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(content, dict):
        return
    if content.get("type") == "FeatureCollection":
        features = content.get("features")
        yield from (one for one in (features if isinstance(features, list) else []) if isinstance(one, dict))
    elif content.get("type") == "Feature":
        yield content
    elif "type" in content:
        yield {"geometry": content}


def _parts(geometry: Any, depth: int) -> Iterator[tuple[list[Point], str]]:
    """Lines of a geometry, each with whether it is a point, a line or a ring."""
    if not isinstance(geometry, dict) or depth > MOST_DEPTH:
        return
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        inside = geometry.get("geometries")
        for one in inside if isinstance(inside, list) else []:
            yield from _parts(one, depth + 1)
        return
    shape = {"Point": "point", "MultiPoint": "point", "LineString": "line", "MultiLineString": "line"}.get(
        str(kind), "ring"
    )
    yield from ((line, shape) for line in _lines(geometry.get("coordinates"), 0))


def _lines(coordinates: Any, depth: int) -> Iterator[list[Point]]:
    if not isinstance(coordinates, list) or not coordinates or depth > MOST_DEPTH:
        return
    if isinstance(coordinates[0], (int, float)):
        point = _point(coordinates)
        if point:
            yield [point]
    elif isinstance(coordinates[0], list) and coordinates[0] and isinstance(coordinates[0][0], (int, float)):
        yield [point for one in coordinates if (point := _point(one))]
    else:
        for one in coordinates:
            yield from _lines(one, depth + 1)


def _point(values: Any) -> Point | None:
    if not isinstance(values, list) or len(values) < 2:
        return None
    if not all(isinstance(value, (int, float)) and abs(value) < 1e12 for value in values[:2]):
        return None
    point = (float(values[0]), float(values[1]))
    return point if all(map(math.isfinite, point)) else None


def _drawing(shapes: list[tuple[dict[str, Any], list[tuple[list[Point], str]]]]) -> str:
    points = [point for _, parts in shapes for line, _ in parts for point in line]
    if not points:
        return drawing.note("There is nothing to draw.")
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    middle = (south + north) / 2
    squeeze = max(0.05, math.cos(math.radians(middle))) if abs(middle) <= 90 else 1
    across, up = max((east - west) * squeeze, 1e-9), max(north - south, 1e-9)
    scale = min((WIDTH - 20) / across, (MOST_HEIGHT - 20) / up)
    height = max(60, round(up * scale) + 20)

    def place(point: Point) -> str:
        return f"{(point[0] - west) * squeeze * scale + 10:.1f} {(north - point[1]) * scale + 10:.1f}"

    drawn = "".join(_feature(feature, parts, place) for feature, parts in shapes)
    style = 'fill="var(--sunken)" fill-rule="evenodd" stroke="var(--accent)" stroke-width="1"'
    caption = f"{west:.5g} to {east:.5g} across, {south:.5g} to {north:.5g} up"
    view = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    svg = f'<svg role="img" aria-label="Outlines" {view} {style}>{drawn}</svg>'
    return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"


def _feature(feature: dict[str, Any], parts: list[tuple[list[Point], str]], place: Any) -> str:
    words, points, kind = [], [], "ring"
    for line, kind in parts:
        if kind == "point":
            x, y = place(line[0]).split()
            points.append(f'<circle cx="{x}" cy="{y}" r="3" fill="var(--accent)"/>')
            continue
        places: list[str] = []
        for point in line:
            if (at := place(point)) not in places[-1:]:
                places.append(at)
        words.append(f"M{'L'.join(places)}{'Z' * (kind == 'ring')}")
    title = f"<title>{text(_name(feature))}</title>"
    fill = "" if kind == "ring" else ' fill="none"'
    path = f'<path{fill} d="{"".join(words)}"/>' if words else ""
    return f"<g>{title}{path}{''.join(points)}</g>"


def _name(feature: dict[str, Any]) -> object:
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return feature.get("id", "")
    named = next((properties[key] for key in properties if key.lower() in ("name", "title", "label")), None)
    return named if named is not None else feature.get("id", "")


def _properties(features: list[dict[str, Any]]) -> str:
    rows = [one["properties"] for one in features[:LISTED] if isinstance(one.get("properties"), dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))[:COLUMNS]
    if not names:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in names)
    lines = ("<tr>" + "".join(f"<td>{text(row.get(name, ''), 60)}</td>" for name in names) + "</tr>" for row in rows)
    more = drawing.note(f"The first {LISTED} of {len(features):,} features.") if len(features) > LISTED else ""
    return f"<h2>Properties</h2><table><tr>{head}</tr>{''.join(lines)}</table>{more}"
