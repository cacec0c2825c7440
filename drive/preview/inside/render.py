"""Notebooks and PDF as one HTML document without scripts, and what differs between two notebooks.

Runs in a sandbox without network and files. The argument says what to do; content comes by stdin (of two notebooks: the
length of the first in a line, then both). What is wrong with the content is said on stderr, with status 3.
"""

import base64
import html
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

MOST_PAGES = 10
PAGE_WIDTH = 1200
"""Pixels."""
MOST_PIXELS = 20_000_000
"""Most pixels of a page: some are a mile long."""
WRONG = 3

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dee6, #344152); --sunken: light-dark(#eef1f5, #232c38);
  --muted: light-dark(#56637a, #a3b0c2); --accent: light-dark(#174a97, #a5c9ff); --ok: light-dark(#1a6b3c, #7fd6a0);
  --warn: light-dark(#7a4b00, #f3c46b); --error: light-dark(#a3211b, #ff9c94); }
body { margin: 0; padding: 1rem 1.25rem; font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
  background: light-dark(#fff, #1a212b); color: light-dark(#18212d, #e6ebf2); overflow-wrap: anywhere; }
pre, code { font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { margin: 0; overflow-x: auto; overflow-wrap: normal; }
a { color: var(--accent); }
a.anchor-link { display: none; }
img, svg { max-width: 100%; height: auto; }
.output img { background: #fff; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .875rem; }
th, td { border: 1px solid var(--line); padding: .2rem .6rem; text-align: right; }
.cell { margin-bottom: 1rem; }
.text_cell_render > :first-child { margin-top: 0; }
.input_area { background: var(--sunken); border-radius: 6px; padding: .6rem .8rem; }
.prompt { color: var(--muted); font-size: .78rem; }
.output_area { padding: .3rem .8rem; }
.output_stderr { background: light-dark(#fdeae8, #3d1a18); }
blockquote { margin-left: 0; padding-left: 1rem; border-left: 4px solid var(--line); color: var(--muted); }
.k, .kn, .kc, .kd, .kr, .kt, .ow, .nt { color: var(--accent); }
.s, .s1, .s2, .sa, .sb, .sd, .se, .si { color: var(--ok); }
.m, .mi, .mf, .mh, .mb, .il, .nd { color: var(--warn); }
.c, .c1, .cm, .ch, .cs { color: var(--muted); font-style: italic; }
.nf, .nc, .fm { font-weight: 600; }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--error); }
.ansi-green-fg, .ansi-green-intense-fg { color: var(--ok); }
.ansi-blue-fg, .ansi-blue-intense-fg, .ansi-cyan-fg { color: var(--accent); }
.ansi-yellow-fg, .ansi-yellow-intense-fg { color: var(--warn); }
.ansi-bold { font-weight: 700; }
.page { display: block; margin: 0 auto 1rem; border: 1px solid var(--line); background: #fff; }
.note { color: var(--muted); }
"""


CONNECTING = re.compile(r"<(/?)(link|meta|base)\b", re.IGNORECASE)
"""Elements that make a browser look up or call other sites, whatever the page's policy (`preconnect`)."""


class InvalidContentError(Exception):
    """The content is not what its name says; the text is for people."""


def document(body: str) -> str:
    """A whole page."""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Preview</title>'
    return f"{head}<style>{STYLE}</style></head><body>{body}</body></html>"


def read_notebook(content: bytes) -> Any:
    """A notebook of any version of the format."""
    import nbformat

    try:
        return nbformat.reads(content.decode(), as_version=4)
    except Exception as error:
        raise InvalidContentError(f"This is not a valid notebook ({type(error).__name__}).") from error


def notebook(content: bytes) -> str:
    """A notebook with its outputs. Scripts in it stay where they are; the page's policy lets none run."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", embed_images=False)
    body, _ = exporter.from_notebook_node(read_notebook(content))
    return document(CONNECTING.sub(r"<\1x-\2", body))


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


def difference(content: bytes) -> str:
    """Differences between two notebooks, cell by cell: a JSON list of lines, each with its kind."""
    from nbdime.diffing.notebooks import diff_notebooks
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_notebook_diff

    length, _, both = content.partition(b"\n")
    older, newer = read_notebook(both[: int(length)]), read_notebook(both[int(length) :])
    out = io.StringIO()
    config = PrettyPrintConfig(out=out, use_color=False, use_git=False, use_diff=False)
    pretty_print_notebook_diff("older", "newer", older, diff_notebooks(older, newer), config)
    lines = out.getvalue().splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("## ")), len(lines))
    return json.dumps([[_kind(line), line] for line in lines[first:]])


def _kind(line: str) -> str:
    return {"#": "gap", "+": "added", "-": "removed"}.get(line[:1], "same")


WORK: dict[str, Callable[[bytes], str]] = {"notebook": notebook, "pdf": pdf, "difference": difference}


def main() -> None:
    """Content in, result out."""
    try:
        result = WORK[sys.argv[1]](sys.stdin.buffer.read())
    except InvalidContentError as error:
        sys.stderr.write(f"\n{error}")
        sys.exit(WRONG)
    sys.stdout.buffer.write(result.encode(errors="replace"))


if __name__ == "__main__":
    main()
