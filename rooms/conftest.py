"""A library with one notebook and one text, as people who edit them together find it."""

from pathlib import Path

import pytest
from pytest_django import Settings

from collabs.models import Collab
from drive.models import Library
from drive.storage import layout


@pytest.fixture(autouse=True)
def coediting(settings: Settings, tmp_path: Path) -> None:
    """Switched on, with journals of this test's own."""
    settings.COEDITING = True
    settings.ROOMS_ROOT = tmp_path / "rooms"
    settings.ROOMS_ROOT.mkdir()


@pytest.fixture
def library(collab: Collab) -> Library:
    """The library of the private Collab "Cortex"."""
    return collab.library


@pytest.fixture
def place(library: Library) -> Path:
    """Its directory on disk, as notebooks see it, with a text in it."""
    path = layout.find(library.pk)
    (path / "notes.txt").write_text("one\n")
    return path
