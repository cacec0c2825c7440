"""Locks between processes."""

from pathlib import Path

import pytest

from portal.file_lock import file_lock


def test_it_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        file_lock(path) as first,
        file_lock(path, wait=False) as second,
        file_lock(path, shared=True, wait=False) as third,
    ):
        assert (first, second, third) == (True, False, False)
    with file_lock(path, wait=False) as again:
        assert again
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_shared_by_many_and_then_by_none_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    alone = file_lock(path, wait=False)
    with file_lock(path, shared=True) as first, file_lock(path, shared=True, wait=False) as second, alone as third:
        assert (first, second, third) == (True, True, False)


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), file_lock(path):
        raise ZeroDivisionError
    with file_lock(path, wait=False) as again:
        assert again


def test_it_makes_no_file_where_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), file_lock(tmp_path / "lock", create=False):
        pass
    assert not (tmp_path / "lock").exists()
