"""Documents for the frames in which rendered files are shown: somebody else's content, which may do nothing.

The renderer's program has left scripts out. Should one get through, the policy lets none run but ours, by its hash, and
the document has no origin: no cookies, no storage, no access to the page around it. It can connect to nothing. The same
holds where libraries of ours draw interactive outputs, of data that the file holds.
"""

import base64
import hashlib
import html
import re
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.views.decorators.http import require_GET

from drive.files.library_access import LibraryAccess
from drive.preview import pictures, sandbox
from drive.preview.libraries import SCRIPTS
from drive.storage import StorageError


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


_SCRIPT = (sandbox.PROGRAM / "frame.js").read_text()
SCRIPT = _hash(_SCRIPT)
"""The script that tells the page around the frame how high the content is, and what is at its top."""
_WALLS = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
STILL = f"sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; script-src {SCRIPT}; {_WALLS}"
"""Policy of a rendered file: links open in a new tab when somebody clicks on them, and nothing else happens."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
_DATA = re.compile(rb'<script type="application/json" class="data">[^<]*</script>')
_PLACE = b"<!--interactive-->"
_EMPTY = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Diagrams</title>' + _PLACE + b"</head></html>"
)
_LINES = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Preview</title><style>
body { margin: 0; padding: 4px 0; font: 13px/17px ui-monospace, monospace; }
.cell { min-height: 17px; padding: 0 8px; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; }
</style></head><body>"""
_PICTURE = re.compile(rb'<img src="library:([^"]{1,1000})"')
DRAWING = "js/interactive.js"
MOST_PICTURES = 100
MOST_BYTES = 24 * 2**20
"""Bytes of all pictures beside a notebook that are put into one page."""


def still(content: bytes, access: LibraryAccess, path: str) -> HttpResponse:
    """A rendering without what only scripts need, with the pictures that it shows of the library."""
    return document(with_pictures(_DATA.sub(b"", content), access, path), STILL)


def interactive(content: bytes, access: LibraryAccess, path: str, libraries: list[str]) -> HttpResponse:
    """A rendering with the libraries that draw its interactive outputs, which may run, and connect to nothing."""
    return _with_libraries(with_pictures(content, access, path), libraries)


@require_GET
def diagrams(request: HttpRequest) -> HttpResponse:
    """The document that draws diagrams for a page with Markdown, of words that the page sends it. It holds nothing."""
    return _with_libraries(_EMPTY, ["mermaid"])


def _with_libraries(content: bytes, libraries: list[str]) -> HttpResponse:
    scripts = [
        settings.PORTAL_URL.rstrip("/") + static(name) for name in (DRAWING, *map(SCRIPTS.__getitem__, libraries))
    ]
    head = "".join(f'<script src="{html.escape(script)}"></script>' for script in scripts)
    content = content.replace(_PLACE, head.encode(), 1)
    # Plotly makes functions for WebGL of texts of its own; Bokeh would of those that the notebook holds.
    evaluated = " 'unsafe-eval'" if "plotly" in libraries and "bokeh" not in libraries else ""
    # Mermaid's cleaner of HTML makes a policy of its own, and says so in the console where it may not.
    trusted = "default dompurify" if "mermaid" in libraries else "default"
    policy = (
        f"sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; script-src {SCRIPT} {' '.join(scripts)}"
        f"{evaluated}; worker-src 'none'; font-src data:; require-trusted-types-for 'script'; trusted-types {trusted}; "
        f"{_WALLS.replace('img-src data:', 'img-src data: blob:')}"
    )
    return document(content, policy)


def lines(text: str) -> HttpResponse:
    """A text as it is written, without anything that it could mean; each line is told of as a cell of a notebook is."""
    rows = "".join(f'<div class="cell">{html.escape(line)}</div>' for line in text.split("\n"))
    return document(f"{_LINES}{rows}<script>{_SCRIPT}</script></body></html>".encode(), STILL)


def document(content: bytes, policy: str) -> HttpResponse:
    """A document for a frame."""
    headers = {"Content-Security-Policy": policy} | _HEADERS
    return HttpResponse(content, content_type="text/html; charset=utf-8", headers=headers)


def with_pictures(content: bytes, access: LibraryAccess, path: str) -> bytes:
    """The rendering of a file with the pictures beside it: the frame has no cookies to ask for them itself."""
    found: dict[bytes, bytes | None] = {}
    left = MOST_BYTES

    def picture(match: re.Match[bytes]) -> bytes:
        nonlocal left
        if match[1] not in found and len(found) < MOST_PICTURES:
            found[match[1]] = _read(access, path, html.unescape(match[1].decode(errors="replace")), left)
            left -= len(found[match[1]] or b"")
        uri = found.get(match[1])
        return match[0] if uri is None else b'<img src="' + uri + b'"'

    return _PICTURE.sub(picture, content)


def _read(access: LibraryAccess, path: str, source: str, most: int) -> bytes | None:
    """A picture of the library as a data URI, by its address in a file beside it; None for what is none."""
    try:
        place = normpath(f"{path.rpartition('/')[0]}/{unquote(urlsplit(source).path)}".lstrip("/"))
        media_type = pictures.TYPES.get(pictures.extension(place))
        if media_type is None or place.startswith("../"):
            return None
        with access.files() as files, files.open(place) as file:
            content = file.read(most + 1)
    except (StorageError, ValueError):
        return None
    if len(content) > most:
        return None
    return f"data:{media_type};base64,".encode() + base64.b64encode(content)
