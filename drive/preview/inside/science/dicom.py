"""A DICOM file: its picture, or a stepper through its frames, and its head, read by pydicom."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.dataelem import RawDataElement

from ..page import InvalidContentError
from . import drawing
from .drawing import text

LONG = 4096
"""Bytes: longer elements are not read."""
MOST_FRAME, MOST_READ = 96 * 2**20, 192 * 2**20
SHOWN, SIDE, MOST_ELEMENTS = 32, 512, 300


def dicom(file: Path) -> str:
    """The picture and the head."""
    try:
        head = pydicom.dcmread(file, defer_size=LONG)
        elements = _elements(head)
    except Exception as error:
        raise InvalidContentError("This is not a valid DICOM file.") from error
    return drawing.page(f"{_picture(file, head)}<h2>Head</h2>{elements}")


def _picture(file: Path, head: Any) -> str:
    if "Rows" not in head or "Columns" not in head:
        return drawing.note("There is no picture in this file.")
    try:
        frames = max(1, int(head.get("NumberOfFrames") or 1))
        one = (
            int(head.Rows)
            * int(head.Columns)
            * int(head.get("SamplesPerPixel", 1))
            * max(1, int(head.BitsAllocated) // 8)
        )
        if one > MOST_FRAME:
            return drawing.note("The picture is too large to show here.")
        shown = drawing.spread(frames, min(SHOWN, max(1, MOST_READ // max(one, 1))))
        pixels = [_frame(file, head, at) for at in shown]
    except Exception as error:
        return drawing.note(f"The picture cannot be shown: {_why(error)}")
    pictures = [(_drawn(frame), f"{at + 1} of {frames:,}") for at, frame in zip(shown, pixels, strict=True)]
    if frames == 1:
        return f"<figure>{pictures[0][0]}</figure>"
    more = drawing.note(f"Shown are {len(shown)} of {frames:,} frames, evenly chosen.") if len(shown) < frames else ""
    return drawing.stepper("Frame", pictures) + more


def _why(error: Exception) -> str:
    unknown = isinstance(error, (RuntimeError, NotImplementedError))
    return "its compression is not known here." if unknown else f"it is damaged ({type(error).__name__})."


def _frame(file: Path, head: Any, at: int) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

    values = pixel_array(file, index=at)
    if values.ndim == 3:
        return values if values.dtype == np.uint8 else drawing.greys(values)
    values = apply_voi_lut(apply_modality_lut(values, head), head)
    has_window = "WindowWidth" in head or "VOILUTSequence" in head
    grey = drawing.greys(values, (float(np.min(values)), float(np.max(values))) if has_window else None)
    return 255 - grey if head.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def _drawn(pixels: np.ndarray) -> str:
    scale = min(2, SIDE / max(pixels.shape[:2]))
    width, height = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return drawing.picture(pixels, "Picture", width=width, height=height)


def _elements(head: Any) -> str:
    rows = []
    for tag in sorted(head.keys())[:MOST_ELEMENTS]:
        raw = head.get_item(tag)  # as it is in the file: long ones are not read
        name, value = (_name(tag), f"{raw.length:,} bytes") if _is_long(raw) else _element(head[tag])
        rows.append(f"<tr><td>{text(tag)}</td><td>{text(name)}</td><td>{text(value)}</td></tr>")
    more = len(head) > MOST_ELEMENTS
    note = drawing.note(f"The first {MOST_ELEMENTS} of {len(head):,} elements are shown.") if more else ""
    return f"<table>{''.join(rows)}</table>{note}"


def _is_long(raw: Any) -> bool:
    return isinstance(raw, RawDataElement) and raw.value is None and raw.length != 0


def _name(tag: Any) -> str:
    return dictionary_description(tag) if dictionary_has_tag(tag) else "Private or unknown"


def _element(element: Any) -> tuple[str, object]:
    if element.VR == "SQ":
        count = len(element.value)
        return element.name, f"{count} item{'s' * (count != 1)}"
    value = element.value
    return element.name, f"{len(value):,} bytes" if isinstance(value, bytes) else value
