"""The page that a rendering is: its style, and the error that says what is wrong with the content."""

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


class InvalidContentError(Exception):
    """The content is not what its name says; the text is for people."""


def document(body: str) -> str:
    """A whole page."""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Preview</title>'
    return f"{head}<style>{STYLE}</style></head><body>{body}</body></html>"
