r"""Formulas in TeX as MathML Core, which browsers set without scripts and fonts of ours.

latex2mathml translates. What is made of its tree are only the elements and attributes that are listed, and every text
is escaped, so that the result is safe wherever HTML is: no `\href`, no style. What is no formula is shown as written.
"""

import html
import re
import time
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

LONGEST = 4000
"""Characters of a formula with its macros expanded; some expressions of the translator need quadratic time."""
SECONDS = 2.0
"""Processor time for all formulas of a text; those after it are shown as written."""
DEEPEST = 60
"""Elements within elements: a browser's parser and ours have an end."""
MOST_EXPANSIONS = 500
"""Macros expanded in one formula: two definitions can double each other for ever."""

_NUMBER_OF_CHILDREN = {
    "mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3
}  # fmt: skip
_ELEMENTS = {
    "merror", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts", "mroot",
    "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder",
    "munderover", "menclose", "none",
}  # fmt: skip
_ATTRIBUTES = {
    "accent", "accentunder", "columnspan", "depth", "display", "displaystyle", "fence", "form", "height", "largeop",
    "linethickness", "lspace", "mathbackground", "mathcolor", "maxsize", "minsize", "movablelimits", "rowspan",
    "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset", "width",
}  # fmt: skip
_VALUE = re.compile(r"[\w#.+%-]{1,40}")
_LIMITS = set("det gcd inf lim liminf limsup max min Pr sup".split())
_WITH_LIMITS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}

_WITHOUT_MEANING = re.compile(r"\\(?:label\s*\{[^{}]*\}|require\s*\{[^{}]*\}|nonumber|notag|protect)(?![a-zA-Z])")
_ENVIRONMENTS = {
    "align": "align*", "aligned": "split", "alignat": "align*", "alignat*": "align*", "alignedat": "split",
    "flalign": "align*", "flalign*": "align*", "eqnarray": "align*", "eqnarray*": "align*", "equation*": "equation",
    "gather": "matrix", "gather*": "matrix", "gathered": "matrix", "multline": "matrix", "multline*": "matrix",
}  # fmt: skip
"""As the translator knows them, without numbers: Jupyter gives none, either."""
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{(\w+\*?)\}(\s*\{\d+\})?")
_DEFINITION = re.compile(r"\\(?:(?:re|provide)?newcommand\*?|def|gdef|DeclareMathOperator(\*?))(?![a-zA-Z])")
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_DEFINING = re.compile(
    r"\\(?:\w*newcommand|providecommand|[gex]?def|let|newenvironment|DeclareMathOperator)(?![a-zA-Z])"
)

_BOLD = {
    "bold": ((0x1D400, "A"), (0x1D41A, "a"), (0x1D7CE, "0"), (0x1D6A8, "Α"), (0x1D6C2, "α")),
    "bold-italic": ((0x1D468, "A"), (0x1D482, "a"), (0x1D7CE, "0"), (0x1D71C, "Α"), (0x1D736, "α")),
}
"""First characters of Unicode's alphabets, which MathML Core has instead of `mathvariant`."""
_LENGTHS = {"A": 26, "a": 26, "0": 10, "Α": 25, "α": 25}


class FormulaError(ValueError):
    """This is no formula that could be set."""


class Formulas:
    """The formulas of one text, with the macros that it defines."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._macros: dict[str, tuple[int, str]] = {}
        self._left = seconds

    def html(self, tex: str, *, display: bool) -> str:
        """A formula as MathML, `display` in a line of its own; as written, escaped, where it cannot be set."""
        began = time.process_time()
        try:
            if self._left <= 0:
                raise FormulaError("no time left")
            return self._set(tex, display=display)
        except FormulaError:
            return _as_written(tex, display=display)
        finally:
            self._left -= time.process_time() - began

    def _set(self, tex: str, *, display: bool) -> str:
        if len(tex) > LONGEST:
            raise FormulaError("too long")
        text = self._expanded(_without_comments(tex))
        if not text.strip():
            return ""
        if display and "\\\\" in text and r"\begin" not in text:
            text = rf"\begin{{matrix}}{text}\end{{matrix}}"
        try:
            tree = convert_to_element(_known(text), display="block" if display else "inline")
            return _serialized(tree)
        except FormulaError:
            raise
        except Exception as error:  # of whatever kind: the translator meets input that nobody thought of
            raise FormulaError(type(error).__name__) from error

    def _expanded(self, tex: str) -> str:
        r"""The formula with the text's macros expanded, its own definitions taken in and left out."""
        tex, budget, start = self._defined(tex), MOST_EXPANSIONS, 0
        while match := _COMMAND.search(tex, start):
            if match[1] not in self._macros:
                start = match.end()
                continue
            budget -= 1
            count, body = self._macros[match[1]]
            arguments, end = _arguments(tex, match.end(), count)
            for number, argument in enumerate(arguments, 1):
                body = body.replace(f"#{number}", argument)
            tex, start = f"{tex[: match.start()]}{{{body}}}{tex[end:]}", match.start()
            if budget < 0 or len(tex) > LONGEST:
                raise FormulaError("macros without end")
        return tex

    def _defined(self, tex: str) -> str:
        while match := _DEFINITION.search(tex):
            (name,), end = _arguments(tex, match.end(), 1)
            count = 0
            if parameters := re.match(r"\s*(?:\[(\d)\]|((?:#\d)+))", tex[end:]):
                count = int(parameters[1] or len(parameters[2]) // 2)
                end += parameters.end()
            (body,), end = _arguments(tex, end, 1)
            if match[0].startswith(r"\DeclareMathOperator"):
                body = rf"\operatorname{match[1]}{{{re.sub(r'[^a-zA-Z]', '', body)}}}"
            if not re.fullmatch(r"\\[a-zA-Z]+", name) or len(self._macros) >= 1000:
                raise FormulaError("no macro")
            self._macros[name[1:]] = count, body
            tex = tex[: match.start()] + tex[end:]
        if _DEFINING.search(tex):
            raise FormulaError("a definition of an unknown kind")
        return tex


def _as_written(tex: str, *, display: bool) -> str:
    mark = "$$" if display else "$"
    written = html.escape(f"{mark}{tex}{mark}")
    return (
        f'<pre class="formula"><code>{written}</code></pre>' if display else f'<code class="formula">{written}</code>'
    )


def _without_comments(tex: str) -> str:
    return re.sub(r"(?<!\\)%[^\n]*", "", tex)


def _known(tex: str) -> str:
    def environment(match: re.Match[str]) -> str:
        known = _ENVIRONMENTS.get(match[2])
        return rf"\{match[1]}{{{known}}}" if known else match[0]

    return _ENVIRONMENT.sub(environment, _WITHOUT_MEANING.sub("", tex))


def _arguments(tex: str, start: int, count: int) -> tuple[list[str], int]:
    """The next arguments of a command, each a group, a command or a character; and where they end."""
    found = []
    for _ in range(count):
        while start < len(tex) and tex[start].isspace():
            start += 1
        if start >= len(tex):
            raise FormulaError("an argument is missing")
        if tex[start] == "{":
            end = _end_of_group(tex, start)
            found.append(tex[start + 1 : end])
            start = end + 1
        else:
            command = _COMMAND.match(tex, start)
            end = command.end() if command else start + 1
            found.append(tex[start:end])
            start = end
    return found, start


def _end_of_group(tex: str, start: int) -> int:
    depth, place = 0, start
    while place < len(tex):
        if tex[place] == "\\":
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(tex[place], 0)
        if depth == 0:
            return place
        place += 1
    raise FormulaError("a brace is missing")


def _serialized(math: Element) -> str:
    inside = "".join(_element(child, 1) for child in math)
    block = ' display="block"' if math.get("display") == "block" else ""
    return f"<math{block}>{inside}</math>"


def _element(element: Element, depth: int) -> str:
    tag, children = element.tag, list(element)
    if tag not in _ELEMENTS or depth > DEEPEST:
        raise FormulaError(f"an element {tag} in depth {depth}")
    if len(children) != _NUMBER_OF_CHILDREN.get(tag, len(children)):
        raise FormulaError(f"{tag} of {len(children)}")
    if tag in _WITH_LIMITS and _has_limits(children[0]):
        tag = _WITH_LIMITS[tag]
    if tag == "menclose":
        tag = "mrow"
    attributes = "".join(f' {name}="{value}"' for name, value in _attributes(element))
    inside = _text(element) + "".join(_element(child, depth + 1) for child in children)
    return f"<{tag}{attributes}>{inside}</{tag}>"


def _has_limits(element: Element) -> bool:
    """True where what is below or above stands there in a line of its own, and beside in a text: browsers choose."""
    if element.tag == "mo" and element.text in _LIMITS:
        element.set("movablelimits", "true")
    return element.get("movablelimits") == "true"


def _attributes(element: Element) -> list[tuple[str, str]]:
    """Those of MathML Core; alignment is a class there, and boxes are."""
    found = [(name, value) for name, value in element.items() if name in _ATTRIBUTES and _VALUE.fullmatch(value)]
    if element.get("mathvariant") == "normal" and element.tag == "mi":
        found.append(("mathvariant", "normal"))
    if element.get("columnalign") in ("left", "right"):
        found.append(("class", f"align-{element.get('columnalign')}"))
    if element.tag == "menclose" and element.get("notation") == "box":
        found.append(("class", "boxed"))
    return found


def _text(element: Element) -> str:
    text = html.unescape(element.text or "")
    if element.tag == "mi" and (re.match(r"\\[a-zA-Z]", text) or text in ("&", "{", "}")):
        raise FormulaError(f"unknown: {text}")
    variant = element.get("mathvariant", "")
    if variant in _BOLD:
        text = "".join(_bold(character, variant) for character in text)
    return html.escape(text, quote=True)


def _bold(character: str, variant: str) -> str:
    for first, start in _BOLD[variant]:
        place = ord(character) - ord(start)
        if 0 <= place < _LENGTHS[start]:
            return chr(first + place)
    return character
