"""Text files: bytes to shared text and back."""

import pytest
from pycrdt import Doc

from rooms.documents.base import NotADocumentError
from rooms.documents.plain_text import PlainText


def shared(data: bytes) -> tuple[PlainText, bytes]:
    document = PlainText(Doc())
    parsed = PlainText.parse(data)
    document.fill(parsed.content)
    return document, parsed.notation.render(document.content())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"a", b"a\n", b"a\r\nb\r\n", b"a\r\nb", b"a\rb\r", b"a\nb\r\nc\rd", b"\xef\xbb\xbfmark\r\n",
        "é😀\n".encode(), b"a\x0bb\x0cc\n", b"\r\n\n\r\n", "line\u2028separator\n".encode(),
    ],
)  # fmt: skip
def test_what_nobody_edited_is_written_byte_for_byte(data):
    document, rendered = shared(data)
    assert rendered == data
    assert "\r" not in document.content()  # the page's editor counts it as a line end of its own


def test_an_edited_file_keeps_its_line_ends():
    notation = PlainText.parse(b"a\r\nb\r\n").notation
    assert notation.render("a\nX\nb\n") == b"a\r\nX\r\nb\r\n"


def test_of_a_file_with_several_line_ends_every_line_that_nobody_edited_keeps_its_own():
    notation = PlainText.parse(b"a\nb\r\nc\r\nd\n").notation
    assert notation.render("a\nb\nnew\nc\nd\n") == b"a\nb\r\nnew\nc\r\nd\n"
    assert notation.render("b\nc\nd") == b"b\r\nc\r\nd"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b", "é".encode("latin-1")])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(NotADocumentError):
        PlainText.parse(data)
