"""The first pages of a PDF as pictures."""

import base64
import html
import io
import time
from pathlib import Path
from typing import Any

from .page import InvalidContentError, document

MOST_PAGES = 10
PAGE_WIDTH = 1200
"""Pixels."""
MOST_PIXELS = 20_000_000
"""Most pixels of a page: some are a mile long."""
MOST_BYTES, MOST_PNG = 20 * 2**20, 2**20
"""Of all pictures, and of one without losses."""
SECONDS = 10
"""After so many no further page is begun: of scans one can take a second."""
SCANNED = 0.5
"""Share of a page that a picture covers, from which on it is kept as a photograph."""


def pdf(file: Path) -> str:
    """The first pages as pictures: ten, or as many as fit."""
    import pypdfium2

    try:
        pages = pypdfium2.PdfDocument(file)
        count = len(pages)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        why = "This PDF is protected by a password." if locked else "This is not a valid PDF."
        raise InvalidContentError(why) from error
    body: list[str] = []
    until = time.monotonic() + SECONDS
    for number in range(min(count, MOST_PAGES)):
        page = _page(pages, number)
        if body and (sum(map(len, body)) + len(page) > MOST_BYTES or time.monotonic() > until):
            break
        body.append(page)
    if count > len(body):
        said = (
            f"These are the first {len(body)} of {count:,} pages." if len(body) > 1 else f"This is page 1 of {count:,}."
        )
        body.append(f'<p class="note">{said}</p>')
    return document("".join(body))


def _page(pages: Any, at: int) -> str:
    import pypdfium2

    number = at + 1
    try:
        page = pages[at]
        width, height = page.get_size()
    except pypdfium2.PdfiumError:
        return f'<p class="note">Page {number} is damaged.</p>'
    if not width > 0 or not height > 0:
        return f'<p class="note">Page {number} has no size.</p>'
    scale = PAGE_WIDTH / width
    scale *= min(1, (MOST_PIXELS / (width * scale * height * scale)) ** 0.5)
    kind, picture = _picture(
        page.render(scale=scale).to_pil().convert("RGB"), is_photograph=_is_scan(page, width * height)
    )
    text = page.get_textpage().get_text_bounded()[:20_000]
    data = base64.b64encode(picture).decode()
    words = html.escape(f"Page {number}: {text}", quote=True)
    return f'<img class="page" width="{PAGE_WIDTH}" alt="{words}" src="data:image/{kind};base64,{data}">'


def _is_scan(page: Any, area: float) -> bool:
    """True if a picture covers most of the page."""
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    for picture in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=2):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) > SCANNED * area:
            return True
    return False


def _picture(image: Any, *, is_photograph: bool) -> tuple[str, bytes]:
    """Kind and bytes: letters are sharp and small as PNG, photographs are large."""
    file = io.BytesIO()
    if not is_photograph:
        image.save(file, "PNG")
        if file.tell() <= MOST_PNG:
            return "png", file.getvalue()
        file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return "jpeg", file.getvalue()
