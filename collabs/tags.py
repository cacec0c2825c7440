"""Tags of Collabs: normalised, so that different spellings of a word are one tag."""

import re
import unicodedata
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_TAGS = 10
"""Of one Collab."""
MAX_LENGTH = 40
"""Of one tag, in characters."""
_ALLOWED = re.compile(r"[\w+#.& -]+")


def tidy(name: str) -> str:
    """A normalised tag: NFC, lower case, single spaces. ValidationError if it is empty, too long or invalid."""
    name = unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFKC", name).lower().split()))
    if not name or len(name) > MAX_LENGTH:
        raise ValidationError(gettext("A tag must have 1 to %(max_length)s characters.") % {"max_length": MAX_LENGTH})
    if not _ALLOWED.fullmatch(name) or not any(character.isalnum() for character in name):
        raise ValidationError(
            gettext("Invalid tag: “%(name)s”. Letters, numbers, spaces and - . + # & are allowed.") % {"name": name}
        )
    return name


def tidy_all(names: Iterable[str]) -> list[str]:
    """Normalised tags, sorted, without duplicates. ValidationError for an invalid one, or for too many."""
    found = sorted({tidy(name) for name in names if name.strip()})
    if len(found) > MAX_TAGS:
        raise ValidationError(
            gettext("A Collab can have up to %(max_tags)s tags, not %(count)s.")
            % {"max_tags": MAX_TAGS, "count": len(found)}
        )
    return found


def split(text: str) -> list[str]:
    """Tags from what somebody typed, separated by commas, semicolons or lines."""
    return tidy_all(text.replace(";", ",").replace("\n", ",").split(","))
