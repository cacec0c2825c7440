"""What a kernel puts out, as it ends up in cells: the part that knows neither Jupyter nor a page."""

import sys
import time
from typing import Any

import pytest

from lab.supervisor.sandbox_command import INSIDE

sys.path.insert(0, str(INSIDE))
import cell_outputs  # type: ignore[import-not-found]
import executions as following  # type: ignore[import-not-found]

sys.path.remove(str(INSIDE))

CellOutputs, Executions, put_outputs = cell_outputs.CellOutputs, following.Executions, following.put_outputs


def stream(text: str, name: str = "stdout") -> tuple[str, dict[str, Any]]:
    return "stream", {"name": name, "text": text}


def shown(text: str, name: str = "", kind: str = "display_data") -> tuple[str, dict[str, Any]]:
    transient = {"transient": {"display_id": name}} if name else {}
    return kind, {"data": {"text/plain": text}, "metadata": {}} | transient


def outputs(*messages: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    made = CellOutputs()
    for kind, content in messages:
        made.take(kind, content)
    found: list[dict[str, Any]] = made.as_list()
    return found


def text(*parts: str) -> str:
    """What a stream looks like in the file."""
    found = outputs(*(stream(part) for part in parts))
    return str(found[0]["text"]) if found else ""


def test_streams_in_a_row_are_one_output() -> None:
    found = outputs(stream("a\n"), stream("b"), stream("!", "stderr"), stream("c"))
    assert [(one["name"], one["text"]) for one in found] == [("stdout", "a\nb"), ("stderr", "!"), ("stdout", "c")]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["10 %\r20 %\r", "30 %"], "30 %"),
        (["100 %\r", "ok"], "ok0 %"),
        (["one\r\ntwo\r\n"], "one\ntwo\n"),
        (["50 %", "\r", "100 %\n", "done\n"], "100 %\ndone\n"),
        (["abc\b\bX"], "aXc"),
        (["\b\b"], ""),
        (["a\x0bb\x0cc\u2028d\n"], "a\x0bb\x0cc\u2028d\n"),
        (["first\n\rsecond"], "first\nsecond"),
    ],
)
def test_progress_bars_overwrite_their_line(parts: list[str], expected: str) -> None:
    assert text(*parts) == expected


def test_clearing_waits_for_the_next_output_if_it_should() -> None:
    assert outputs(stream("a"), ("clear_output", {"wait": False})) == []
    assert outputs(stream("a"), ("clear_output", {"wait": True}))[0]["text"] == "a"
    assert outputs(stream("a"), ("clear_output", {"wait": True}), stream("b"))[0]["text"] == "b"


def test_a_display_is_updated_wherever_it_is() -> None:
    kernel = Executions()
    for message, cell in (("m1", "one"), ("m2", "two")):
        kernel.begin(message, cell, "", "page")
        send(kernel, message, "execute_input", {"execution_count": 1})
    send(kernel, "m1", *shown("0 %", "bar"))
    send(kernel, "m1", "status", {"execution_state": "idle"})
    assert send(kernel, "m2", *shown("100 %", "bar", "update_display_data"))
    assert not send(kernel, "m2", *shown("x", "another", "update_display_data"))
    assert kernel.all["m1"].outputs.as_list()[0]["data"] == {"text/plain": "100 %"}
    assert kernel.all["m1"].is_unwritten
    assert not kernel.all["m2"].outputs.as_list()


@pytest.mark.slow
def test_endless_output_is_bounded_and_keeps_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_outputs, "MOST_TEXT", 10_000)
    made = CellOutputs()
    for number in range(20_000):
        made.take(*stream(f"line {number}\n"))
    found = made.as_list()[0]["text"]
    assert len(found) < 21_000
    assert found.startswith("line 0\nline 1\n")
    assert found.endswith("line 19998\nline 19999\n")
    assert "characters left out" in found


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_outputs, "MOST_TEXT", 1000)
    monkeypatch.setattr(cell_outputs, "MOST_LINE", 100)
    assert len(text(*["x" * 50] * 1000)) < 2300


def test_very_many_outputs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_outputs, "MOST_OUTPUTS", 20)
    monkeypatch.setattr(cell_outputs, "KEPT_FIRST", 5)
    found = outputs(*(shown(str(number)) for number in range(100)))
    assert [one["data"]["text/plain"] for one in found[:5]] == ["0", "1", "2", "3", "4"]
    assert "80 outputs left out" in found[5]["text"]
    assert found[-1]["data"]["text/plain"] == "99"
    assert len(found) == 21


def test_large_outputs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_outputs, "MOST_BYTES", 10_000)
    monkeypatch.setattr(cell_outputs, "KEPT_FIRST", 2)
    made = CellOutputs()
    for _ in range(50):
        made.take(*shown("x" * 1000))
    assert made.size < 12_000


def send(kernel: Any, message: str, kind: str, content: dict[str, Any], *, is_absent: bool = True) -> bool:
    header = {"msg_id": f"{message}-{time.monotonic_ns()}"}
    sent = {"header": header, "parent_header": {"msg_id": message}, "content": content}
    return bool(kernel.take(kind, sent, is_absent=is_absent))


def run(kernel: Any, message: str, cell: str, code: str, *words: str, is_absent: bool = True, count: int = 1) -> None:
    """A cell from its request to its end."""
    kernel.begin(message, cell, code, "page")
    send(kernel, message, "execute_input", {"execution_count": count}, is_absent=is_absent)
    for word in words:
        send(kernel, message, *stream(word), is_absent=is_absent)
    send(kernel, message, "status", {"execution_state": "idle"}, is_absent=is_absent)


def notebook(**sources: str) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": ["old"], "execution_count": 9}
        for name, source in sources.items()
    ]
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5}


def test_outputs_replace_those_of_their_cell() -> None:
    kernel, there = Executions(), notebook(one="print(1)", two="print(2)")
    run(kernel, "m", "two", "print(2)", "2\n", count=4)
    assert put_outputs(there, kernel.all.values(), 0)
    assert there["cells"][0]["outputs"] == ["old"]
    assert there["cells"][1] == {
        "cell_type": "code",
        "id": "two",
        "metadata": {"trusted": True},
        "source": "print(2)",
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "2\n"}],
        "execution_count": 4,
    }


def test_nothing_is_written_for_a_page_that_listens() -> None:
    kernel, there = Executions(), notebook(one="print(1)")
    run(kernel, "m", "one", "print(1)", "1\n", is_absent=False)
    assert not put_outputs(there, kernel.all.values(), 0)
    kernel.all["m"].ended_at -= following.UNNOTICED_SECONDS
    kernel.leave()
    assert not put_outputs(there, kernel.all.values(), 0), "it has ended before: the page had it, and was closed"


def test_what_ended_just_before_a_page_was_found_gone_is_written_unless_it_was_saved() -> None:
    """The connection of a laptop that was closed seems to be open for a while."""
    kernel, there = Executions(), notebook(one="print(1)")
    run(kernel, "m", "one", "print(1)", "1\n", is_absent=False)
    kernel.leave()
    assert not put_outputs(there, kernel.all.values(), time.time())
    assert put_outputs(there, kernel.all.values(), 0)
    kernel.all["m"].is_alone = True
    kernel.leave()
    assert put_outputs(there, kernel.all.values(), time.time()), "nobody but the server has all of a run"


def test_what_a_page_had_and_did_not_save_is_written_if_more_runs() -> None:
    kernel, there = Executions(), notebook(one="print(1)", two="print(2)")
    run(kernel, "m1", "one", "print(1)", "1\n", is_absent=False)
    kernel.begin("m2", "two", "print(2)", "page")
    kernel.leave()
    assert put_outputs(there, kernel.all.values(), 0)
    assert there["cells"][0]["outputs"][0]["text"] == "1\n"
    assert there["cells"][1]["outputs"] == ["old"], "it has not begun"
    there = notebook(one="print(1)", two="print(2)")
    assert not put_outputs(there, kernel.all.values(), time.time()), "the page has saved it"
    send(kernel, "m2", "execute_input", {"execution_count": 2})
    assert put_outputs(there, kernel.all.values(), time.time()), "no page can have saved what none has seen"
    assert there["cells"][1]["outputs"] == []


def test_an_unsaved_cell_is_saved_with_its_output_and_newer_text_stays() -> None:
    kernel, there = Executions(), notebook(one="old text", last="x")
    saved_at = time.time()
    run(kernel, "m1", "one", "new text", "1\n")
    run(kernel, "m2", "made since", "print(2)", "2\n")
    assert put_outputs(there, kernel.all.values(), saved_at)
    assert [cell["id"] for cell in there["cells"]] == ["one", "made since", "last"]
    assert [cell["source"] for cell in there["cells"]] == ["new text", "print(2)", "x"]
    kernel, there = Executions(), notebook(one="newer text")
    kernel.begin("m1", "one", "what was run", "page")
    kernel.begin("m2", "deleted since", "x", "page")
    saved_at = time.time()
    for message in ("m1", "m2"):
        send(kernel, message, "execute_input", {"execution_count": 1})
        send(kernel, message, "status", {"execution_state": "idle"})
    assert put_outputs(there, kernel.all.values(), saved_at)
    assert [cell["source"] for cell in there["cells"]] == ["newer text"]
    assert there["cells"][0]["outputs"] == []


def test_a_notebook_without_ids_has_its_cells_by_their_text() -> None:
    kernel, there = Executions(), notebook(one="print(1)", two="print(2)", three="print(2)")
    for cell in there["cells"]:
        del cell["id"]
    there["nbformat_minor"] = 4
    run(kernel, "m1", "made by the page", "print(1)", "1\n")
    assert put_outputs(there, kernel.all.values(), 0)
    assert there["cells"][0]["outputs"][0]["text"] == "1\n"
    assert len(there["cells"]) == 3


def test_a_cell_that_was_not_run_stays_as_it_was() -> None:
    kernel, there = Executions(), notebook(one="1 / 0", two="print(2)")
    kernel.begin("m1", "one", "1 / 0", "page")
    kernel.begin("m2", "two", "print(2)", "page")
    send(kernel, "m1", "execute_input", {"execution_count": 1})
    send(kernel, "m1", "error", {"ename": "ZeroDivisionError", "evalue": "", "traceback": ["t"]})
    for message in ("m1", "m2"):
        send(kernel, message, "status", {"execution_state": "idle"})
    assert put_outputs(there, kernel.all.values(), 0)
    assert there["cells"][0]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert there["cells"][1]["outputs"] == ["old"]
    assert kernel.all["m1"].failed


def test_a_kernel_that_ends_leaves_nothing_open() -> None:
    kernel = Executions()
    kernel.begin("m1", "one", "x", "page")
    kernel.begin("m2", "two", "y", "page")
    send(kernel, "m1", "execute_input", {"execution_count": 1})
    kernel.end_all()
    assert [one.phase.value for one in kernel.all.values()] == ["done", "aborted"]
    assert not send(kernel, "m1", *stream("too late"))


def test_a_page_takes_over_what_goes_on_and_what_it_missed_once() -> None:
    kernel = Executions()
    run(kernel, "m0", "zero", "x", "seen by a page", is_absent=False)
    run(kernel, "m1", "one", "x", "missed")
    kernel.begin("m2", "two", "y", "page")
    send(kernel, "m2", "execute_input", {"execution_count": 2})
    send(kernel, "m2", *shown("bar", "id"))
    [missed, open_one] = [one.as_json() for one in kernel.hand_over(0)]
    assert missed["outputs"] == [{"kind": "stream", "content": {"name": "stdout", "text": "missed"}}]
    assert open_one["outputs"][0]["content"]["transient"] == {"display_id": "id"}
    assert (open_one["phase"], open_one["cell"], len(open_one["seen"])) == ("running", "two", 2)
    assert [one.cell for one in kernel.hand_over(0)] == ["two"], "what has ended is handed over once"


def test_a_page_that_is_gone_again_takes_nothing_over() -> None:
    kernel, there = Executions(), notebook(one="x")
    run(kernel, "m1", "one", "x", "missed")
    assert [one.cell for one in kernel.hand_over(0, is_absent=True)] == ["one"]
    assert put_outputs(there, kernel.all.values(), 0)


def test_what_was_run_again_has_the_newer_outputs() -> None:
    kernel, there = Executions(), notebook(one="x")
    run(kernel, "m1", "one", "x", "first")
    run(kernel, "m2", "one", "x", "second", count=2)
    put_outputs(there, kernel.all.values(), 0)
    assert [one["text"] for one in there["cells"][0]["outputs"]] == ["second"]
    assert list(kernel.all) == ["m2"]


def test_what_has_ended_is_forgotten_beyond_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_EXECUTIONS", 10)
    kernel = Executions()
    for number in range(50):
        run(kernel, f"m{number}", f"c{number}", "x", "y", is_absent=False)
    assert len(kernel.all) == 10
    monkeypatch.setattr(following, "MOST_BYTES", 100)
    run(kernel, "large", "large", "x", "y" * 1000, is_absent=False)
    kernel.begin("next", "next", "x", "page")
    assert list(kernel.all) == ["next"]


def test_what_cannot_be_written_waits_within_a_bound_and_says_what_was_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "MOST_UNWRITTEN", 25_000)
    kernel, there = Executions(), notebook(**{f"c{number}": "x" for number in range(20)})
    for number in range(5):
        run(kernel, f"m{number}", f"c{number}", "x", "y" * 10_000)
    assert sum(one.outputs.size for one in kernel.unwritten) == 50_000, "they are about to be written"
    kernel.hinder(True)
    for number in range(5, 20):
        run(kernel, f"m{number}", f"c{number}", "x", "y" * 10_000)
        assert sum(one.outputs.size for one in kernel.unwritten) < 30_000
    assert put_outputs(there, kernel.all.values(), 0)
    texts = [cell["outputs"][0]["text"] for cell in there["cells"]]
    assert texts == [following.GIVEN_UP] * 18 + ["y" * 10_000] * 2
    kernel.hinder(False)
    run(kernel, "m20", "c0", "x", "y" * 10_000)
    assert sum(one.outputs.size for one in kernel.unwritten) > 30_000


def test_what_is_no_message_of_ours_changes_nothing() -> None:
    kernel = Executions()
    assert not send(kernel, "unknown", *stream("x"))
    kernel.begin("m", "one", "x", "page")
    assert not send(kernel, "m", "comm_open", {})
    assert not send(kernel, "m", "status", {"execution_state": "busy"})
    assert not kernel.take("status", {}, is_absent=True)
    assert not kernel.take("stream", {"parent_header": None, "content": None}, is_absent=True)
