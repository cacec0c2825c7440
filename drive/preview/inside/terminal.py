"""Text with a terminal's control sequences (ECMA-48) as HTML: colours, and lines that were overwritten."""

import html
import re

_NAMES = "black red green yellow blue magenta cyan white".split()
_SEQUENCE = re.compile(r"\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]|\([A-Z0-9])")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\r\n])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def as_html(*texts: str) -> list[str]:
    """Texts that follow each other, escaped, in spans with classes `ansi-…`, or with a style."""
    style = _Style()
    return [_as_html(text, style) for text in texts]


def _as_html(text: str, style: "_Style") -> str:
    text = _OVERWRITTEN.sub("", text.replace("\r\n", "\n"))
    parts, place = [], 0
    for match in _SEQUENCE.finditer(text):
        parts.append(style.around(text[place : match.start()]))
        if match[2] == "m":
            style.change(match[1])
        place = match.end()
    return "".join([*parts, style.around(text[place:])])


class _Style:
    """What the sequences so far say of the text that follows."""

    def __init__(self) -> None:
        self._set: set[str] = set()
        self._colours: dict[str, str] = {}
        """By `fg` and `bg`: a class or a CSS colour."""

    def around(self, text: str) -> str:
        escaped = html.escape(_CONTROLS.sub("", text), quote=False)
        if not escaped or not (self._set or self._colours):
            return escaped
        names = [f"ansi-{name}" for name in sorted(self._set)]
        names += [colour for colour in self._colours.values() if colour.startswith("ansi-")]
        properties = {"fg": "color", "bg": "background"}
        css = [f"{properties[kind]}:{colour}" for kind, colour in self._colours.items() if colour.startswith("#")]
        attributes = f' class="{" ".join(names)}"' * bool(names) + f' style="{";".join(css)}"' * bool(css)
        return f"<span{attributes}>{escaped}</span>"

    def change(self, parameters: str) -> None:
        codes = [int(code) if code.isdecimal() and len(code) < 5 else 0 for code in re.split("[;:]", parameters)]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                self._extended("fg" if code == 38 else "bg", codes)
            else:
                self._simple(code)

    def _simple(self, code: int) -> None:
        switches = {1: "bold", 3: "italic", 4: "underline", 7: "inverse"}
        ends = {21: "bold", 22: "bold", 23: "italic", 24: "underline", 27: "inverse"}
        if code == 0:
            self._set, self._colours = set(), {}
        elif code in switches:
            self._set.add(switches[code])
        elif code in ends:
            self._set.discard(ends[code])
        elif code in (39, 49):
            self._colours.pop("fg" if code == 39 else "bg", None)
        else:
            for first, kind in ((30, "fg"), (40, "bg"), (90, "fg"), (100, "bg")):
                if first <= code < first + 8:
                    self._colours[kind] = f"ansi-{_NAMES[code - first]}-{kind}"

    def _extended(self, kind: str, codes: list[int]) -> None:
        """`5;n`: one of 256 colours; `2;r;g;b`."""
        how = codes.pop(0) if codes else 0
        if how == 5 and codes:
            number = codes.pop(0)
            if number < 16:
                self._colours[kind] = f"ansi-{_NAMES[number % 8]}-{kind}"
            else:
                self._colours[kind] = _of_256(min(number, 255))
        elif how == 2 and len(codes) >= 3:
            self._colours[kind] = "#" + "".join(f"{min(codes.pop(0), 255):02x}" for _ in range(3))


def _of_256(number: int) -> str:
    if number >= 232:
        return f"#{8 + 10 * (number - 232):02x}" + f"{8 + 10 * (number - 232):02x}" * 2
    steps = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    return "#" + "".join(f"{55 + 40 * step if step else 0:02x}" for step in steps)
