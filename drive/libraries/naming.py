"""The one naming service: what a library is called, and by whom.

`name` is what the owner sees; it is unique among the owner's libraries. `shared_name` is what everybody else sees, in
every folder, and is unique on the site: a Collab's library has the Collab's title; a person's library gets its own
name when it is first shared or made public, or `name (owner)` when that is taken (always for “My Library”: to others
it is not theirs). So a path is the same for everybody who sees it, and never changes because somebody else shared
something. Names are compared without regard to case, after NFC.
"""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext, gettext_noop

from collabs.models import validate_title
from drive.models import Library
from portal.text.unique_names import name_key, tidy_title

LONGEST_NAME = 100
TITLE_TAKEN = gettext_noop("This title is taken: a shared library has it as its name.")


def clean(name: str) -> str:
    """The name in NFC, with single spaces; ValidationError when it cannot name a folder."""
    name = tidy_title(name)
    if not name:
        raise ValidationError(gettext("A library needs a name."))
    if len(name) > LONGEST_NAME:
        raise ValidationError(gettext("A library's name has at most %(number)s characters.") % {"number": LONGEST_NAME})
    validate_title(name)
    return name


def set_name(library: Library, name: str) -> None:
    """Give the library its name; not saved."""
    library.name = clean(name)
    library.name_key = name_key(library.name)


def set_title(library: Library, title: str) -> None:
    """Name a Collab's library by its title, for everybody. ValidationError when a shared library is called that."""
    set_name(library, title)
    taken = Library.objects.exclude(pk=library.pk).filter(shared_key=library.name_key)
    if taken.exists():
        raise ValidationError({"title": gettext(TITLE_TAKEN)})
    library.shared_name, library.shared_key = library.name, library.name_key


def publish_name(library: Library) -> None:
    """Save the name under which others see a person's library, if it has none yet."""
    if library.shared_name:
        return
    owner = library.owner_user.username if library.owner_user else ""
    candidates = [library.name, f"{library.name} ({owner})", f"{library.name} ({owner} {str(library.pk)[:8]})"]
    for candidate in candidates[1 if library.is_default else 0 :]:
        if _claim(library, candidate):
            return
    raise ValidationError(gettext("Please give this library another name before you share it."))


def _claim(library: Library, candidate: str) -> bool:
    """Take a name if it is free; the unique constraint decides between two who want it at once."""
    library.shared_name, library.shared_key = candidate, name_key(candidate)
    try:
        with transaction.atomic():
            library.save(update_fields=["shared_name", "shared_key"])
    except IntegrityError:
        library.shared_name = library.shared_key = None
        return False
    return True
