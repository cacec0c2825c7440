"""How much work HTML makes for a parser that follows the HTML standard, counted in linear time before it is parsed.

Such a parser looks through the elements that are open at each tag, and opens unclosed formatting elements (`<b>`) again
in every paragraph: some kilobytes of tags become gigabytes, or keep it busy for minutes.
"""

import re

USUAL = 12
"""Elements within elements that count nothing."""
MOST_WORK = 400_000
"""Open elements beyond those, summed over all tags; this much takes at most two seconds."""
_ATTRIBUTE = r"""\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s"'=<>`]+))?"""
_TAG = re.compile(
    rf"<(?:!--(?!-?>)(?>(?:[^-]|-(?!-!?>))*)(?:--!?>|\Z)|/(?P<end>[a-z][^\s/<>]*)\s*>|(?P<start>[a-z][^\s/<>]*)(?>(?:{_ATTRIBUTE})*)\s*/?>|(?P<odd>[a-z/!?]))",
    re.IGNORECASE,
)
_VOID = set("area base br col embed hr img input link meta param source track wbr".split())
_RAW = set("iframe noembed noframes noscript plaintext script style template textarea title xmp".split())
_ENDED_BY_OTHERS = set("dd dt li optgroup option p rp rt tbody td tfoot th thead tr".split())


def is_too_much(html: str) -> bool:
    """True if the HTML may take more than MOST_WORK. What is not plain is counted for too much rather than too little:

    an end that is not that of the last element ends nothing, and nothing ends after a tag that is malformed, or whose
    content is no markup, since what looks like an end may be the value of an attribute there.
    """
    names: list[str] = []
    work, is_plain = 0, True
    for tag in _TAG.finditer(html):
        if start := (tag["start"] or "").lower():
            is_plain = is_plain and start not in _RAW
            if start not in _VOID:
                _start(names, start)
        elif tag["odd"]:
            is_plain = False
            names.append("")
        elif is_plain and (end := (tag["end"] or "").lower()):
            _end(names, end)
        work += max(0, len(names) - USUAL)
        if work > MOST_WORK:
            return True
    return False


def _start(names: list[str], start: str) -> None:
    if start in _ENDED_BY_OTHERS:
        while names and names[-1] == "p" != start:
            names.pop()
    if not (names and names[-1] == start and start in _ENDED_BY_OTHERS):
        names.append(start)


def _end(names: list[str], end: str) -> None:
    last = len(names) - 1
    while last >= 0 and names[last] != end and names[last] in _ENDED_BY_OTHERS:
        last -= 1
    if last >= 0 and names[last] == end:
        del names[last:]
