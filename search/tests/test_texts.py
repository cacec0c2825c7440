"""What is read of files: plain text and the sources of cells, whatever was written there."""

import io
import json

import pytest

from search.texts import MOST_TEXT, has_text, text_of
from tests.support.memory import growth


def text(content: bytes, path: str = "a.ipynb") -> str:
    return text_of(io.BytesIO(content), path)


def notebook(*cells: dict[str, object], **more: object) -> bytes:
    return json.dumps({"cells": cells, "metadata": {"cells": [{"source": "no"}]}, **more}).encode()


def test_it_takes_the_sources_of_cells_and_nothing_else() -> None:
    found = text(
        notebook(
            {
                "cell_type": "code",
                "metadata": {"source": "no", "input": ["no"]},
                "source": ["alpha = 1\n", "bêta"],
                "outputs": [{"text": ["no"], "source": "no", "data": {"cells": [{"source": "no"}]}}],
            },
            {"cell_type": "markdown", "source": "# A “title”\n\\(x\\)", "attachments": {"a": {"source": "no"}}},
            {"cell_type": "raw", "source": []},
            {"cell_type": "code", "source": "last"},
        )
    )
    assert found.split() == "alpha = 1 bêta # A “title” \\(x\\) last".split()


def test_it_takes_the_sources_of_older_notebooks() -> None:
    cells = [{"input": ["one\n"], "outputs": [{"text": "no"}]}, {"source": "two"}]
    assert text(json.dumps({"worksheets": [{"cells": cells}]}).encode()).split() == ["one", "two"]


def test_it_reads_other_encodings_and_byte_order_marks() -> None:
    assert text(notebook({"source": "grün"}).decode().encode("utf-16")) == "grün"
    assert text(b"\xef\xbb\xbf" + notebook({"source": "x"})) == "x"
    assert text("grün".encode("utf-16"), "a.md") == text("grün".encode("latin-1"), "a.md") == "grün"


def test_it_gives_no_character_that_a_page_or_a_database_cannot_hold() -> None:
    assert text(b'{"cells": [{"source": "a\\u0000b\\ud800c\\u001b[0m"}]}') == "a b c [0m"
    assert text(b"a\x1bb\x07c", "a.txt") == "a b c"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"cells"',
        b"{]}[}",
        b'{"cells": "source"}',
        b'{"cells": [[{"source": "no"}]]}',
        b"\xff",
    ],
)
def test_it_finds_nothing_in_what_is_no_notebook(content: bytes) -> None:
    assert text(content) == ""


def test_it_takes_what_stands_before_a_notebook_ends_too_early() -> None:
    whole = notebook({"source": "first"}, {"source": "second"})
    assert text(whole[: whole.index(b"second")]).split() == ["first"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 2_000_000,
        b'{"cells":' * 200_000,
        b"[]," * 700_000,
        b'"\\"' * 700_000 + b"\\",
        b'"' + b"\\\\" * 1_000_000,
        b'{"cells":[{"source":["' + b"word " * 400_000 + b'"]}]}',
        b'{"cells":[{"source":[' + b'"a",' * 500_000,
    ],
    ids=["lists", "objects", "empty lists", "quotes", "backslashes", "a long line", "many lines"],
)
def test_it_needs_little_memory_and_no_stack_for_hostile_notebooks(content: bytes) -> None:
    found: list[str] = []
    assert growth(lambda: found.append(text(content))) < len(content) + 16 * 2**20  # lists as objects take 50 MiB
    assert len(found[0]) <= MOST_TEXT


def test_it_reads_no_more_of_a_text_than_its_bound() -> None:
    source = io.BytesIO(b"x " * MOST_TEXT)
    assert len(text_of(source, "a.txt")) == MOST_TEXT
    assert source.tell() == MOST_TEXT + 1


@pytest.mark.parametrize(
    ("path", "is_text"),
    [
        ("a.md", True), ("a.IPYNB", True), ("folder.csv/README", True), ("a.py", True), ("a.R", True), ("a.txt", True),
        ("a.csv", False), ("a.json", False), ("a.png", False), ("a.svg", False), ("a.h5", False), ("a.md.gz", False),
    ],
)  # fmt: skip
def test_it_reads_texts_and_source_code_and_no_data(path: str, is_text: bool) -> None:
    assert has_text(path) is is_text
    if not is_text:
        assert text(b"words", path) == ""


def test_it_takes_no_binary_file_for_a_text() -> None:
    assert text(b"\x7fELF\0\0words", "program") == ""
