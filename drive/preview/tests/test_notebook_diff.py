"""Two versions of a notebook beside each other: what differs, and nothing else."""

import json
import time
from typing import Any

from drive.preview.inside.notebook_diff import difference, differing_cells, lines_beside, paired
from drive.preview.inside.notebook_repair import read_notebook

from .test_notebook import PIXEL, code, display, of_cells, text


def compared(older: list[dict[str, Any]], newer: list[dict[str, Any]]) -> str:
    old, new = (json.dumps(of_cells(*cells)).encode() for cells in (older, newer))
    page = difference(f"{len(old)}\n".encode() + old + new)
    return page[page.index("<body>") :]


def pairs(older: list[dict[str, Any]], newer: list[dict[str, Any]]) -> list[tuple[str | None, str | None]]:
    old, new = (read_notebook(json.dumps(of_cells(*cells)).encode()).cells for cells in (older, newer))
    return [(one.source if one else None, two.source if two else None) for one, two in paired(old, new)]


def test_it_pairs_cells_by_id_or_what_they_hold_or_how_alike_they_are() -> None:
    long = "a = 1\nb = 2\nc = 3\nd = 4\ne = 5"
    assert pairs([text("one"), text("two")], [text("new"), text("one"), text("two")])[0] == (None, "new")
    assert pairs([code(source=long)], [code(source=long.replace("3", "4"))]) == [(long, long.replace("3", "4"))]
    assert pairs([text("x", id="a")], [text("quite other words", id="a")]) == [("x", "quite other words")]
    assert pairs([text("x")], [code(source="x")]) == [("x", None), (None, "x")]
    assert pairs([text("same", id="a"), text("same", id="a")], [text("same", id="a")]).count(("same", "same")) == 1


def test_it_marks_what_changed_in_a_line() -> None:
    shown = lines_beside("a = 1\nb = 2", "a = 1\nb = 23")
    assert '<td class="old">b = 2</td><td class="new">b = 2<mark>3</mark></td>' in shown
    assert "<td>a = 1</td><td>a = 1</td>" in shown
    assert "<script>" not in lines_beside("<script>", "<script>x")


def test_it_shows_both_pictures_of_an_output_and_the_bytes_of_none() -> None:
    other = PIXEL[:-4] + "AAAA"
    page = compared([code(display(image_png=PIXEL))], [code(display(image_png=other))])
    assert "Output changed" in page
    assert page.count("<img src=") == 2
    assert page.count(PIXEL) == page.count(other) == 1
    assert "Source unchanged" in page


def test_it_compares_lines_of_outputs_that_are_text() -> None:
    old, new = ({"output_type": "stream", "name": "stdout", "text": words} for words in ("one\ntwo", "one\nthree"))
    page = compared([code(old)], [code(new)])
    assert '<td class="old">two</td>' in page
    assert '<td class="new">three</td>' in page


def test_it_counts_what_is_the_same_and_says_when_all_is() -> None:
    cells = [text(f"cell {n}") for n in range(9)]
    assert "No differences" in compared(cells, cells)
    page = compared(cells, [*cells[:4], text("new"), *cells[4:]])
    assert "4 unchanged cells" in page
    assert "5 unchanged cells" in page
    assert "Added markdown cell" in page
    assert "Removed markdown cell" in compared(cells, cells[1:])


def test_it_names_what_else_changed() -> None:
    assert "Also changed: metadata" in compared([code()], [code(metadata={"tags": ["a"]})])
    assert "No differences" in compared([code()], [code(execution_count=2)])


def test_it_tells_programs_which_cells_differ_and_how() -> None:
    old = [text("same"), text("gone"), code(source="a = 1\nb = 2"), code(source="x"), text("y", id="i")]
    new = [text("same"), code(source="a = 1\nb = 3"), code(display(image_png=PIXEL), source="x"), text("z", id="i")]
    contents = [json.dumps(of_cells(*cells)).encode() for cells in (old, [*new, text("new")])]
    found = json.loads(differing_cells(f"{len(contents[0])}\n".encode() + b"".join(contents)))
    assert [(one["change"], one["kind"], one["older"], one["newer"], one["also"]) for one in found] == [
        ("removed", "markdown", 2, None, []),
        ("changed", "code", 3, 2, []),
        ("changed", "code", 4, 3, ["outputs"]),
        ("changed", "markdown", 5, 4, []),
        ("added", "markdown", None, 5, []),
    ]
    assert found[1]["sources"] == ["a = 1\nb = 2", "a = 1\nb = 3"]
    assert (found[0]["sources"], found[4]["sources"]) == (["gone", ""], ["", "new"])
    assert PIXEL not in json.dumps(found)


def test_no_notebook_takes_for_ever() -> None:
    began = time.process_time()
    compared([text("")] * 3000, [text("")] * 2999)
    compared([text(f"a {n}") for n in range(1500)], [text(f"b {n}") for n in range(1500)])
    compared([code(source="x\n" * 30_000)], [code(source="x\ny\n" * 30_000)])
    compared([code(source="ab" * 100_000)], [code(source="ba" * 100_000)])
    compared([code(source="x\n" * 1900)], [code(source="y\nx\n" * 900)])
    assert time.process_time() - began < 60  # of processor time: what grows with the square of cells takes many minutes
