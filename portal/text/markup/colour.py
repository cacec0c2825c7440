"""Code as HTML with a class per kind of word.

A program, too: pairs of lexer and code come as JSON by stdin, HTML or null for each goes out.
"""

import json
import sys

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound


def coloured(lexer: str, text: str) -> str | None:
    """The code as HTML; None where Pygments knows no lexer of that name."""
    try:
        found = get_lexer_by_name(lexer, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    return highlight(text, found, HtmlFormatter(nowrap=True, classprefix="code-"))


if __name__ == "__main__":
    json.dump([coloured(*one) for one in json.load(sys.stdin)], sys.stdout)
