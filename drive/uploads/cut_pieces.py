"""Pieces of resumable uploads that were cut: what has arrived of them is kept.

nginx writes the body of a PATCH into a file of its own, and hands it over when it is whole. Where the connection ends
before, or the portal does not answer, the file stays, and nginx notes it, with the offset at which it begins, in
`cut-<upload>` (deploy/nginx.files.conf.template). Whoever asks about the upload next, or sends more of it, finds it
longer by what had arrived but for the last buffer of nginx. What nobody asks for again is swept as all in staging.
"""

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from drive.storage import layout, translate_errors

from . import tus
from .tus import Upload

_LINE = re.compile(r"(/\S+) (\d{1,18})")


def take(upload: Upload) -> None:
    """Add what has arrived of pieces that were cut; not while a request is adding to this upload.

    Of one that is done they are removed.
    """
    if not _note(upload).exists():
        return
    try:
        with nullcontext() if upload.is_done else tus.alone(upload):
            for path, offset in _noted(upload):
                _add(upload, path, offset)
    except tus.UploadBusyError:
        return


def noted() -> list[str]:
    """Ids of uploads of which pieces were cut, and nobody has asked since."""
    return [path.name.removeprefix("cut-") for path in layout.staging().glob("cut-*")]


def _note(upload: Upload) -> Path:
    return layout.staging() / f"cut-{upload.id}"


def _noted(upload: Upload) -> Iterator[tuple[Path, int]]:
    """Files of nginx and their offsets, each once. nginx may be about to note another: the note is renamed first."""
    taken = _note(upload).with_name(f"taken-cut-{upload.id}")
    with translate_errors():
        _note(upload).rename(taken)
        lines = taken.read_text(errors="replace").splitlines()
        taken.unlink()
    bodies = (layout.staging() / "nginx").resolve()
    for line in lines:
        found = _LINE.fullmatch(line)
        if found and Path(os.path.normpath(found[1])).parent.resolve() == bodies:
            yield Path(os.path.normpath(found[1])), int(found[2])


def _add(upload: Upload, path: Path, offset: int) -> None:
    """The last byte is left to the sender, who is told in the answer to it how the upload has ended."""
    try:
        size = min(path.stat().st_size, upload.length - offset - 1)
        if not upload.is_done and offset == upload.offset and size > 0:
            os.truncate(path, size)
            tus.append_file(upload, offset, path)
    except FileNotFoundError:
        return
    finally:
        path.unlink(missing_ok=True)
