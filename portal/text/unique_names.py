"""When two titles are the same title."""

import unicodedata


def title_key(title: str) -> str:
    """Two titles with one key are the same title: NFC, without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).casefold())


def tidy_title(title: str) -> str:
    """The title as it is kept: NFC, no outer spaces, single plain spaces between words."""
    return unicodedata.normalize("NFC", " ".join(title.split()))
