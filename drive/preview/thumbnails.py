"""Small pictures of pictures, for lists: made by the renderer in its sandbox, kept among what is rendered.

The key is of the file as it is now, so a list reads no picture to know whether there is one.
"""

from typing import BinaryIO

from django.utils.translation import gettext_lazy as _

from . import pictures, rendering
from .formats import Format, ending_of

THUMBNAIL = Format("thumbnail", _("picture"), 64 * 2**20, science=False)
ENDINGS = frozenset(pictures.TYPES) - {"svg"}
_PNG = b"\x89PNG\r\n\x1a\n"
MOST_RESULT = 256 * 1024
"""Bytes: what a program that read somebody's file says to be a small picture may be anything."""


def has_thumbnail(name: str, size: int) -> bool:
    """Whether lists show a small picture of a file with this name and size."""
    return ending_of(name) in ENDINGS and 0 < size <= THUMBNAIL.most


def key(source: BinaryIO) -> str:
    """The key of an open file."""
    return rendering.key_in_place(source, THUMBNAIL)


def make(source: BinaryIO, name: str) -> str:
    """Make it, unless there is one; returns its key. RenderBusyError while another file is rendered."""
    return rendering.make(source, name, form=THUMBNAIL)


def result(key: str) -> bytes | None:
    """The small picture, as PNG; None where there is none."""
    content = rendering.result(key)
    return content if content and content.startswith(_PNG) and len(content) <= MOST_RESULT else None
