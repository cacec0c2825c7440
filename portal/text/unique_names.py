"""Uniqueness of names (of Collabs, groups, libraries, files in a folder): normalisation and comparison key."""

import unicodedata


def name_key(name: str) -> str:
    """Comparison key of a name: NFC, case-folded; names with equal keys are the same."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def tidy_title(title: str) -> str:
    """Normalised title: NFC, no outer spaces, single plain spaces between words."""
    return unicodedata.normalize("NFC", " ".join(title.split()))
