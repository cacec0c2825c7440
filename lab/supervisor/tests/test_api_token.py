"""Age of the token of a Lab, which decides when it gets a fresh one."""

import os
import time
from pathlib import Path

import pytest

from lab.supervisor.api_token import LONG, TOKEN, TokenFile


def test_it_has_no_age_without_a_token(tmp_path: Path) -> None:
    assert TokenFile(tmp_path).age is None


@pytest.mark.parametrize(
    ("ago", "least", "most"),
    [
        (0.0, 0.0, 1800.0),
        (86400.0, 86400.0, 90000.0),
        (-5000.0, LONG, LONG),
    ],
)
def test_one_from_before_the_clock_was_set_back_is_very_old(
    tmp_path: Path, ago: float, least: float, most: float
) -> None:
    ours = TokenFile(tmp_path)
    ours.give("lab_secret")
    written = time.time() - ago
    os.utime(tmp_path / TOKEN, (written, written))
    age = ours.age
    assert age is not None
    assert least <= age <= most
