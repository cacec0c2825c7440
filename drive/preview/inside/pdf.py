"""The first pages of a PDF as pictures."""

import base64
import html
import io
from typing import Any

from .page import InvalidContentError, document

MOST_PAGES = 10
PAGE_WIDTH = 1200
"""Pixels."""
MOST_PIXELS = 20_000_000
"""Most pixels of a page: some are a mile long."""


def pdf(content: bytes) -> str:
    """The first pages as pictures."""
    import pypdfium2

    try:
        pages = pypdfium2.PdfDocument(content)
        count = len(pages)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        why = "This PDF is protected by a password." if locked else "This is not a valid PDF."
        raise InvalidContentError(why) from error
    body = [_page(pages[number], number + 1) for number in range(min(count, MOST_PAGES))]
    if count > MOST_PAGES:
        body.append(f'<p class="note">These are the first {MOST_PAGES} of {count} pages.</p>')
    return document("".join(body))


def _page(page: Any, number: int) -> str:
    width, height = page.get_size()
    if not width > 0 or not height > 0:
        return f'<p class="note">Page {number} has no size.</p>'
    scale = PAGE_WIDTH / width
    scale *= min(1, (MOST_PIXELS / (width * scale * height * scale)) ** 0.5)
    picture = io.BytesIO()
    page.render(scale=scale).to_pil().convert("RGB").save(picture, "PNG")
    text = page.get_textpage().get_text_bounded()[:20_000]
    data = base64.b64encode(picture.getvalue()).decode()
    words = html.escape(f"Page {number}: {text}", quote=True)
    return f'<img class="page" width="{PAGE_WIDTH}" alt="{words}" src="data:image/png;base64,{data}">'
