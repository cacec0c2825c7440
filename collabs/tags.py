"""Tags: words by which Collabs are found together. Everybody's spelling of a word is one tag."""

import re
import unicodedata
from collections.abc import Iterable

from django.core.exceptions import ValidationError

MOST = 10
"""Tags of one Collab."""
LONGEST = 40
"""Characters of a tag."""
_ALLOWED = re.compile(r"[\w+#.& -]+")


def tidy(name: str) -> str:
    """A tag as it is kept: NFC, small letters, single spaces; ValidationError for what is none."""
    name = unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFKC", name).lower().split()))
    if not name or len(name) > LONGEST:
        raise ValidationError(f"A tag has 1 to {LONGEST} characters.")
    if not _ALLOWED.fullmatch(name) or not any(character.isalnum() for character in name):
        raise ValidationError(f"“{name}” is no tag: letters, numbers, spaces and - . + # & are allowed.")
    return name


def tidy_all(names: Iterable[str]) -> list[str]:
    """Tags, each once, in the order of the alphabet; ValidationError for too many."""
    found = sorted({tidy(name) for name in names if name.strip()})
    if len(found) > MOST:
        raise ValidationError(f"A Collab can have {MOST} tags; these are {len(found)}.")
    return found


def split(text: str) -> list[str]:
    """Tags as somebody types them: with commas between."""
    return tidy_all(text.replace(";", ",").replace("\n", ",").split(","))
