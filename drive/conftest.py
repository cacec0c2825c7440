"""Libraries and their files on disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collabs.models import Collab
from drive.models import Library
from drive.storage import LibraryFiles, layout, open_library


@pytest.fixture
def library(collab: Collab) -> Library:
    """The library of the private Collab "Cortex"."""
    return collab.library


@pytest.fixture
def place(library: Library) -> Path:
    """The library's directory on disk, as a notebook with the right to write sees it."""
    return layout.find(library.pk)


@pytest.fixture
def files(library: Library) -> Iterator[LibraryFiles]:
    """It, through the storage layer."""
    with open_library(library) as files:
        yield files


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory outside the Drive, with a secret in it."""
    path = tmp_path / "outside"
    (path / "sub").mkdir(parents=True)
    (path / "secret.txt").write_text("SECRET")
    (path / "sub" / "secret.txt").write_text("SECRET")
    return path
