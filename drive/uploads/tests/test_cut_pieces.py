"""What nginx noted of pieces that were cut, and what others could have written there."""

import json
from pathlib import Path

import pytest

from collabs.models import Collab
from drive.models import Library
from drive.storage import layout
from drive.uploads import cut_pieces, tus
from drive.uploads.tus import Upload
from portal.models import User


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


@pytest.fixture
def upload(library: Library, editor: User) -> Upload:
    made = tus.create(editor, library, "a.bin", 100)
    made.data.write_bytes(b"0123456789")
    return made


def arrived(content: bytes, name: str = "0000000001") -> Path:
    """A body as nginx leaves it."""
    path = layout.staging() / "nginx" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def note(upload: Upload, *lines: str) -> Path:
    path = layout.staging() / f"cut-{upload.id}"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_it_adds_what_begins_where_the_upload_ends(upload: Upload) -> None:
    first, second = arrived(b"ab"), arrived(b"cd", "0000000002")
    noted = note(upload, f"{first} 10", f"{second} 12")
    cut_pieces.take(upload)
    assert upload.data.read_bytes() == b"0123456789abcd"
    assert not [path for path in (first, second, noted) if path.exists()]
    cut_pieces.take(upload)
    assert upload.offset == 14


@pytest.mark.parametrize("offset", ["0", "9", "11", "-1", "x", "", "10 10", "1" * 30])
def test_it_adds_nothing_from_elsewhere(upload: Upload, offset: str) -> None:
    note(upload, f"{arrived(b'ab')} {offset}")
    cut_pieces.take(upload)
    assert upload.offset == 10


def test_it_takes_no_file_that_is_not_of_the_proxy(upload: Upload, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    other = layout.staging() / "other"
    other.write_bytes(b"other")
    note(upload, f"{secret} 10", f"{other} 10", f"{layout.staging()}/nginx/../other 10", "no line of it")
    cut_pieces.take(upload)
    assert upload.offset == 10
    assert secret.exists()
    assert other.exists()


def test_the_last_byte_is_left_to_the_sender(upload: Upload) -> None:
    path = arrived(b"x" * 500)
    note(upload, f"{path} 10")
    cut_pieces.take(upload)
    assert (upload.offset, path.exists()) == (99, False)


def test_a_piece_that_is_being_added_goes_first(upload: Upload) -> None:
    noted = note(upload, f"{arrived(b'ab')} 10")
    with tus.alone(upload):
        cut_pieces.take(upload)
    assert (upload.offset, noted.exists()) == (10, True)


def test_an_upload_that_is_done_stays_as_it_is(upload: Upload) -> None:
    upload.note.write_text(json.dumps(json.loads(upload.note.read_text()) | {"is_done": True}))
    done = Upload(**json.loads(upload.note.read_text()))
    note(upload, f"{arrived(b'ab')} 10")
    cut_pieces.take(done)
    assert done.offset == 100
