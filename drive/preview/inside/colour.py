"""Code as HTML with a class per kind of word: the lexer's name is the argument, the code comes by stdin."""

import sys

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

text = sys.stdin.buffer.read().decode()
lexer = get_lexer_by_name(sys.argv[1], stripnl=False, ensurenl=False)
html = highlight(text, lexer, HtmlFormatter(nowrap=True, classprefix="code-"))
sys.stdout.buffer.write(html.encode())
