"""Fetch and authorise: a library for a person, or 404, or 403 that names the right."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext

from collabs.models import Collab, Person
from drive.models import Library
from portal.access import ForbiddenError, SignInRequiredError
from portal.prepared_queries import prepared

from .visibility import Entry, entries


def get_library(user: Person, library_id: UUID, need: str = "r") -> tuple[Library, Entry]:
    """The library, and the place where the person has the most right to it.

    Raises SignInRequiredError for anonymous visitors, Http404 where the person sees no such library, ForbiddenError
    where they may only read.
    """
    if not user.is_authenticated:
        raise SignInRequiredError
    found = entries(user, library=library_id)
    if not found:
        raise Http404("No such library.")
    best = max(found, key=lambda entry: entry.may_write)
    if need == "rw" and not best.may_write:
        raise ForbiddenError(
            gettext("This needs the right to write in “%(name)s”. %(reason)s")
            % {"name": best.name, "reason": best.reason}
        )
    for library in _with_owners(library=library_id):
        return library, best
    raise Http404("No such library.")  # Race: it was removed for good in this moment.


@prepared
def _with_owners(library: UUID) -> QuerySet[Library]:
    return Library.objects.filter(pk=library).select_related("owner_user", "owner_collab")


def library_of(collab: Collab) -> Library:
    """The library of a Collab, which has one from its first second: `collab.library`, by a prepared query."""
    if not Collab.library.is_cached(collab):
        [library] = _of_collab(collab=collab.pk)
        collab.library = library
    return collab.library


@prepared
def _of_collab(collab: int) -> QuerySet[Library]:
    return Library.objects.filter(owner_collab=collab)


def owned_library(user: Person, library_id: UUID) -> Library:
    """The person's own library, for what only an owner may do."""
    library, _entry = get_library(user, library_id)
    if library.owner_user_id != user.pk:
        raise ForbiddenError(gettext("Only the owner of this library may do this."))
    return library
