"""Smallest edits of texts."""

import random
from itertools import pairwise

import pytest
from pycrdt import Doc, Text

from rooms.documents import text_edits
from rooms.documents.text_edits import Edit, edits


def apply(old: str, found: list[Edit]) -> str:
    parts, done = [], 0
    for edit in found:
        parts += [old[done : edit.start], edit.text]
        done = edit.end
    return "".join(parts) + old[done:]


def made_up(random_: random.Random, alphabet: str = "ab \n😀é") -> str:
    return "".join(random_.choices(alphabet, k=random_.randrange(30)))


def test_edits_turn_the_old_text_into_the_new_one():
    random_ = random.Random(1)
    for _ in range(500):
        old, new = made_up(random_), made_up(random_)
        found = edits(old, new)
        assert apply(old, found) == new
        assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a = 1\nb = 2\n", "a = 1\nb = 23\n", [Edit(11, 11, "3")]),
        ("x\ny\nz\n", "x\nz\n", [Edit(2, 4, "")]),
        ("", "new", [Edit(0, 0, "new")]),
        ("mean(x)", "median(x)", [Edit(2, 2, "di")]),
        ("‹1›", "‹2›‹1›", [Edit(0, 0, "‹2›")]),
        ("‹1›", "‹1›‹2›", [Edit(3, 3, "‹2›")]),
        ("‹1›b = 2\n", "‹2›‹1›‹3›b = 2\n", [Edit(0, 0, "‹2›"), Edit(3, 3, "‹3›")]),
        ("f(a) + 2", "f(a)(b) + 2", [Edit(4, 4, "(b)")]),
        ("f(a)(b) + 2", "f(a) + 2", [Edit(4, 7, "")]),
        ("f(a)\nf(b)", "f(a)\nf(c)\nf(b)", [Edit(5, 5, "f(c)\n")]),
        ("x = [1], [2]", "x = [2]", [Edit(4, 9, "")]),
        ("one two three", "one 2 three 3", [Edit(4, 7, "2"), Edit(13, 13, " 3")]),
    ],
)
def test_edits_are_as_small_as_a_person_would_make_them(old, new, expected):
    assert edits(old, new) == expected


def test_a_shared_text_of_many_byte_characters_is_changed_at_the_right_places():
    random_ = random.Random(2)
    for _ in range(200):
        old, new = made_up(random_), made_up(random_)
        doc: Doc = Doc()
        text = doc.get("text", type=Text)
        text += old
        text_edits.change(text, old, new)
        assert str(text) == new


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n" * 1_000_000, "x" + "\n" * 900_000 + "y" + "\n" * 200_000),
        ("a" * 1_000_000, "b" + "a" * 999_990 + "c"),
        ("x y " * 200_000, "y x " * 200_000),
    ],
)
def test_texts_that_are_hard_to_compare_cost_a_bounded_number_of_steps(old, new, monkeypatch):
    compared: list[int] = []
    real = text_edits.SequenceMatcher

    def noting(junk, one, other, **more):
        compared.append(text_edits._pairs(one, other))
        return real(junk, one, other, **more)

    monkeypatch.setattr(
        text_edits,
        "SequenceMatcher",
        noting,
    )
    assert apply(old, edits(old, new)) == new
    assert all(pairs <= text_edits.MAX_PAIRS for pairs in compared)
