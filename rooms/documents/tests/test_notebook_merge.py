"""What others write into a notebook's file is merged with what people have typed since it was saved."""

import json
import random
from typing import Any

import pytest
from pycrdt import Doc

from rooms.documents.notebook import Notebook

from .notebooks import as_bytes, code, markdown, notebook, shared

BASE = notebook(code("a = 1\n", "a"), code("b = 2\n", "b"), markdown("# C\n", "c"))


class TwoSides:
    """A room, and what it had last saved."""

    def __init__(self, base: dict[str, Any]) -> None:
        self.live = shared(as_bytes(base))
        self.saved = self.live.doc.get_update()

    def outside(self, content: dict[str, Any]) -> list[tuple[str, str]]:
        """Merge a file; the room's cells afterwards."""
        base: Doc = Doc()
        base.apply_update(self.saved)
        fork = Notebook(base)
        old = fork.content()
        parsed = Notebook.parse(as_bytes(content))
        fork.adopt(parsed, old)
        fork.merge(old, parsed.content, self.live)
        self.saved = base.get_update()
        assert [cell["source"] for cell in fork.content()["cells"]] or not parsed.content["cells"]
        return self.cells()

    def cells(self) -> list[tuple[str, str]]:
        return [(cell["id"], cell["source"]) for cell in self.live.content()["cells"]]

    def type(self, cell_id: str, text: str, at: int = 0) -> None:
        cell = self.live.find(cell_id)
        assert cell is not None
        cell["source"].insert(at, text)


def changed(content: dict[str, Any], cell_id: str, **values: Any) -> dict[str, Any]:
    """The notebook with other values in one cell."""
    cells = [cell | values if cell["id"] == cell_id else cell for cell in content["cells"]]
    return content | {"cells": cells}


def without(content: dict[str, Any], cell_id: str) -> dict[str, Any]:
    return content | {"cells": [cell for cell in content["cells"] if cell["id"] != cell_id]}


def test_both_edits_of_different_cells_are_there():
    room = TwoSides(BASE)
    room.type("a", "# mine\n")
    assert room.outside(changed(BASE, "b", source="b = 3\n")) == [
        ("a", "# mine\na = 1\n"), ("b", "b = 3\n"), ("c", "# C\n"),
    ]  # fmt: skip


def test_both_edits_of_one_cell_are_there():
    room = TwoSides(BASE)
    room.type("a", "# mine 😀\n")
    assert room.outside(changed(BASE, "a", source="a = 17\n"))[0] == ("a", "# mine 😀\na = 17\n")


def test_a_cell_that_was_deleted_elsewhere_goes_unless_somebody_has_edited_it():
    room = TwoSides(BASE)
    room.type("b", "# mine\n")
    assert room.outside(without(without(BASE, "a"), "b")) == [("b", "# mine\nb = 2\n"), ("c", "# C\n")]


def test_a_cell_that_was_moved_elsewhere_keeps_what_was_typed_into_it():
    room = TwoSides(BASE)
    room.type("a", "# mine\n")
    moved = BASE | {"cells": [BASE["cells"][1], BASE["cells"][2], BASE["cells"][0] | {"source": "a = 1\n# theirs\n"}]}
    assert room.outside(moved) == [("b", "b = 2\n"), ("c", "# C\n"), ("a", "# mine\na = 1\n# theirs\n")]


def test_a_moved_cell_takes_further_edits_from_outside():
    room = TwoSides(BASE)
    moved = BASE | {"cells": BASE["cells"][::-1]}
    room.outside(moved)
    room.type("a", "# mine\n")
    assert room.outside(changed(moved, "a", source="a = 5\n"))[-1] == ("a", "# mine\na = 5\n")


def test_a_cell_that_was_made_markdown_elsewhere_keeps_what_was_typed_into_it():
    room = TwoSides(BASE)
    room.type("a", "# mine\n")
    room.outside(BASE | {"cells": [markdown("a = 1\n", "a"), *BASE["cells"][1:]]})
    first = room.live.content()["cells"][0]
    assert (first["cell_type"], first["source"]) == ("markdown", "# mine\na = 1\n")


def test_outputs_of_people_win_over_outputs_from_elsewhere():
    room = TwoSides(BASE)
    mine = [{"output_type": "stream", "name": "stdout", "text": "mine"}]
    cell = room.live.find("a")
    assert cell is not None
    room.live.set_outputs(cell, mine)
    theirs = [{"output_type": "stream", "name": "stdout", "text": ["theirs"]}]
    room.outside(changed(changed(BASE, "a", outputs=theirs), "b", outputs=theirs))
    outputs = [cell["outputs"] for cell in room.live.content()["cells"][:2]]
    assert outputs == [mine, [{"output_type": "stream", "name": "stdout", "text": "theirs"}]]


def test_metadata_is_merged_by_key():
    room = TwoSides(BASE)
    cell = room.live.find("a")
    assert cell is not None
    cell["metadata"]["mine"] = 1
    room.outside(changed(BASE, "a", metadata={"theirs": 2}) | {"metadata": {"top": 1}})
    content = room.live.content()
    assert content["cells"][0]["metadata"] == {"mine": 1, "theirs": 2}
    assert content["metadata"]["top"] == 1


@pytest.mark.parametrize("minor", [4, 5])
def test_cells_without_ids_are_found_again(minor):
    room = TwoSides(notebook(code("a = 1\n"), code("b = 2\n"), code("c = 3\n"), minor=minor))
    ids = [cell_id for cell_id, _source in room.cells()]
    room.type(ids[1], "# mine\n")
    written = notebook(code("new\n"), code("a = 1\n"), code("b = 2 # theirs\n"), code("c = 3\n"), minor=minor)
    after = room.outside(written)
    assert [source for _id, source in after] == ["new\n", "a = 1\n", "# mine\nb = 2 # theirs\n", "c = 3\n"]
    assert [cell_id for cell_id, _source in after][1:] == ids


def test_a_tool_that_makes_up_ids_anew_doubles_no_cell():
    room = TwoSides(BASE)
    room.type("a", "# mine\n")
    renamed = [cell | {"id": f"new-{cell['id']}"} for cell in BASE["cells"]]
    renamed[1] = renamed[1] | {"source": "b = 2 + 2\n"}
    assert room.outside(BASE | {"cells": renamed}) == [
        ("a", "# mine\na = 1\n"), ("b", "b = 2 + 2\n"), ("c", "# C\n"),
    ]  # fmt: skip


def test_a_second_outside_write_is_compared_with_the_first_not_with_the_room():
    room = TwoSides(BASE)
    room.type("a", "# mine\n")
    first = changed(BASE, "b", source="b = 3\n")
    room.outside(first)
    second = changed(first, "c", source="# D\n")  # by somebody who has never seen what was typed here
    assert room.outside(second) == [("a", "# mine\na = 1\n"), ("b", "b = 3\n"), ("c", "# D\n")]


@pytest.mark.slow
def test_random_merges_lose_no_word_and_double_no_cell():
    for seed in range(150):
        random_ = random.Random(seed)
        room = TwoSides(BASE)
        outside = json.loads(json.dumps(BASE))
        words: list[str] = []
        for step in range(8):
            for cell_id, source in random_.sample(room.cells(), k=1):
                words.append(f"<in{step}>")
                room.type(cell_id, words[-1], at=random_.choice([0, len(source.encode())]))
            words.append(f"<out{step}>")
            cell = random_.choice(outside["cells"])
            cell["source"] = cell["source"] + words[-1] if random_.random() < 0.5 else words[-1] + cell["source"]
            if random_.random() < 0.3:
                outside["cells"].insert(random_.randrange(4), code(f"new {step}", f"n{step}"))
            if random_.random() < 0.3:
                random_.shuffle(outside["cells"])
            room.outside(outside)
        ids = [cell_id for cell_id, _source in room.cells()]
        text = "".join(source for _id, source in room.cells())
        assert len(ids) == len(set(ids)) == len(outside["cells"]), seed
        assert {word: text.count(word) for word in words} == dict.fromkeys(words, 1), seed
