"""Uniqueness of titles: normalisation and comparison key."""

import unicodedata


def title_key(title: str) -> str:
    """Comparison key of a title: NFC, case-folded; titles with equal keys are the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).casefold())


def tidy_title(title: str) -> str:
    """Normalised title: NFC, no outer spaces, single plain spaces between words."""
    return unicodedata.normalize("NFC", " ".join(title.split()))
