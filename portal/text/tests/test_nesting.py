"""Texts that would keep a parser of HTML busy, or grow without end, are shown as they were written."""

import pytest

from portal.text import nesting
from portal.text.markdown import MAX_LENGTH, TOO_MUCH, render


def filled(part: str, before: str = "") -> str:
    """A text as long as may be, of one part again and again."""
    return before + part * ((MAX_LENGTH - len(before)) // len(part))


ATTACKS = [
    filled("<div>"),
    filled("<DIV >"),
    filled("<div/>"),
    "".join(f"<p><b id={number}>x</p>" for number in range(9000)),
    "".join(f"<i id={number}>" for number in range(9000)) + "<p>x</p>" * 9000,
    filled("<div><object></div></object>"),
    filled("<div></b>"),
    filled('<div><img alt="</div>">'),
    filled("<div><img alt='</div>'>"),
    filled('<div><a " b="></div>">'),
    filled("<div><!--</div>-->"),
    filled("<div><!--></div>-->"),
    filled("<div><style></div></style>"),
    filled("<div><textarea></div></textarea>"),
    filled("<div><!--></div>"),
    filled("<div><!-- --!></div>", before="<div><!--->"),
    filled("<dd><li>"),
    filled("<div><?</div>>"),
    filled("<div></ div>"),
    filled("<table><tr><td>"),
]


@pytest.mark.parametrize("text", ATTACKS)
def test_it_shows_what_would_be_too_much_as_it_was_written(text: str) -> None:
    assert nesting.is_too_much(text)


def test_the_page_says_so() -> None:
    html = render("<div>" * 2000 + "<script>x</script>")
    assert TOO_MUCH in html
    assert "<pre>&lt;div&gt;" in html
    assert "<script" not in html
    assert "<div>" not in html


LARGE = [
    filled("| a | **b** | `c` |\n", before="| x | y | z |\n|---|---|---|\n"),
    filled("- one *word* [link](a.md)\n"),
    filled("# A\n\ntext <b>bold</b> <img src='a.png' width=9>\n\n"),
    filled("<p>one <p>two <br/> <li>three\n\n"),
    filled("<ul><li>one<li><p>two</ul>\n\n"),
    "<div><style>b { }</style>" + "<b>x</b>" * 400,
    "a <!-- <b> a note --> b\n\n" * 300,
    "> " * 90 + "deep",
    filled("<!--"),
    filled("a <!-- <div> --> b\n\n"),
]


@pytest.mark.slow
@pytest.mark.parametrize("text", LARGE)
def test_it_shows_long_texts(text: str) -> None:
    assert TOO_MUCH not in render(text)
