"""What open pages are told of the mounts of a Drive, from two readings of them."""

import sys
from pathlib import Path

import pytest

from lab.supervisor.sandbox_command import INSIDE

sys.path.insert(0, str(INSIDE))
import drive_changes  # type: ignore[import-not-found]

sys.path.remove(str(INSIDE))

Mounts = dict[int, tuple[str, bool]]
A, B = "drive/Shared with groups/A", "drive/Shared with groups/B"


@pytest.mark.parametrize(
    ("before", "now", "moved", "changed"),
    [
        ({1: (A, True)}, {1: (A, False)}, [], [A]),
        ({1: (A, False)}, {1: (A, True)}, [], [A]),
        ({1: (A, True)}, {2: (A, False)}, [], [A]),
        ({1: (A, True)}, {1: (B, True)}, [{"from": A, "to": B}], []),
        ({1: (A, True)}, {1: (B, False)}, [{"from": A, "to": B}], [B]),
        (
            {1: (A, False), 2: (B, False)},
            {1: (B, False), 2: (A, False)},
            [{"from": A, "to": B}, {"from": B, "to": A}],
            [],
        ),
    ],
)
def test_it_tells_what_was_moved_and_what_can_be_written_to(
    before: Mounts, now: Mounts, moved: list[dict[str, str]], changed: list[str]
) -> None:
    assert drive_changes.changes(before, now) == {"moved": moved, "changed": changed}


@pytest.mark.parametrize(
    ("before", "now"), [({}, {1: (A, True)}), ({1: (A, True)}, {}), ({1: (A, True)}, {1: (A, True)}), ({}, {})]
)
def test_it_tells_nothing_of_what_comes_or_goes(before: Mounts, now: Mounts) -> None:
    """The file browser lists folders anyway."""
    assert drive_changes.changes(before, now) is None


def test_it_reads_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        r"30 20 0:1 /x/uuid /home/ada/drive/Shared\040with\040groups/A\134B\0402 ro,nosuid - ext4 /dev/vda rw",
        "31 20 0:1 /x/other /home/adam/drive rw - ext4 /dev/vda rw",
        "",
    )
    (tmp_path / "mountinfo").write_text("\n".join(lines))
    monkeypatch.setattr(drive_changes, "MOUNTS", str(tmp_path / "mountinfo"))
    assert drive_changes.read("/home/ada") == {30: ("drive/Shared with groups/A\\B 2", True)}
