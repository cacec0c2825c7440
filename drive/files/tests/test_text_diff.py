"""Comparing texts line by line."""

import difflib

from hypothesis import given, settings
from hypothesis import strategies as st

from drive.files.text_diff import MOST_COMPARED, Line, TextLines, compare_texts

LINES = st.lists(st.sampled_from(["a", "b", "", "c"]), max_size=30)


def applied(older: list[str], found: list[Line]) -> list[str]:
    """The newer text, as the older one with the lines of the comparison."""
    removed = {line.older for line in found if line.kind == "removed"}
    added = {line.newer: line.text for line in found if line.kind == "added"}
    kept = [text for number, text in enumerate(older, 1) if number not in removed]
    for number, text in sorted(added.items()):
        assert number is not None
        kept.insert(number - 1, text)
    return kept


@given(LINES, LINES)
@settings(deadline=None)
def test_it_leads_from_one_text_to_the_other(older: list[str], newer: list[str]) -> None:
    blocks = compare_texts(TextLines(older), TextLines(newer))
    assert applied(older, [line for block in blocks for line in block]) == newer
    assert (blocks == []) == (older == newer)


def test_it_shows_what_changed_in_a_long_text_with_its_surroundings() -> None:
    older = [f"line {number}" for number in range(20_000)]
    newer = [*older[:9_000], "new", *older[9_000:]]
    (block,) = compare_texts(TextLines(older), TextLines(newer))
    assert [line.kind for line in block] == ["same"] * 3 + ["added"] + ["same"] * 3
    assert block[3].newer == 9_001


def test_it_does_not_look_for_ever_into_lines_that_repeat() -> None:
    """Such texts took minutes; how many operations there are shows that they were not looked into."""
    older = [str(number % 100) for number in range(19_000)]
    newer = [str(number * 7 % 100) for number in range(1, 19_000)]
    (block,) = compare_texts(TextLines(older), TextLines(newer))
    assert [line.kind for line in block] == ["removed"] * 19_000 + ["added"] * 18_999
    assert len(older) > MOST_COMPARED


def test_it_finds_what_difflib_finds_in_short_texts() -> None:
    older, newer = "a b c d e".split(), "a x c d f e".split()
    blocks = compare_texts(TextLines(older), TextLines(newer))
    expected = [line[0] for line in difflib.unified_diff(older, newer, lineterm="")][3:]
    kinds = {"same": " ", "added": "+", "removed": "-"}
    assert [kinds[line.kind] for line in blocks[0]] == expected
