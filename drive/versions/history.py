"""History of a file: who changed it last, and its versions."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet, prefetch_related_objects
from django.utils.translation import gettext, gettext_lazy

from drive.models import File, Library, Version, Via
from drive.storage import NotFoundError, path_codec
from portal.models import User
from portal.prepared_queries import prepared

IN_A_LAB = gettext_lazy("a Lab")


def last_authors(library: Library, file_paths: Iterable[str]) -> dict[str, str]:
    """Last author of each file, in words; files that no scan has seen yet are left out. One query."""
    keys = {path_codec.key(path): path for path in file_paths}
    return {keys[row.path_key]: author(row.changed_by, row.via) for row in _files(library=library.pk, keys=list(keys))}


@prepared
def _files(library: UUID, keys: list[str]) -> QuerySet[File]:
    return File.objects.filter(library=library, path_key__in=keys, trashed=None).select_related("changed_by")


def authors(version: Version) -> str:
    """Everybody who typed what a version holds, in words, where several edited the file together; else its author."""
    if version.via != Via.TOGETHER:
        return author(version.by, version.via)
    names = [one.user.display_name for one in version.contributors.all()]
    return joined(names) or author(version.by, version.via)


def joined(names: list[str]) -> str:
    """“Ada”, “Ada and Bob”, “Ada, Bob and Cleo”."""
    if len(names) < 2:
        return "".join(names)
    return gettext("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}


def with_contributors(versions: Iterable[Version]) -> list[Version]:
    """The same versions, for `authors`. One query, and none where nothing was edited together."""
    found = list(versions)
    together = [version for version in found if version.via == Via.TOGETHER]
    if together:
        prefetch_related_objects(together, "contributors__user")
    return found


def author(user: User | None, via: str) -> str:
    """A person, or a Lab, of which one cannot always say whose it was."""
    if user is None:
        words: dict[str, object] = {Via.LAB: IN_A_LAB, Via.LINK: Via.LINK.label}
        return str(words.get(via, ""))
    return gettext("%(name)s in the Lab") % {"name": user.display_name} if via == Via.LAB else user.display_name


def of_path(library: Library, path: str) -> File | None:
    """The history of what is at a path, with its author; None while no scan has seen it."""
    rows = File.objects.filter(library=library, path_key=path_codec.key(path), trashed=None)
    return rows.select_related("changed_by").first()


def versions_of(library: Library, path: str) -> QuerySet[Version]:
    """The versions of what is at a path, newest first."""
    found = Version.objects.filter(file__library=library, file__path_key=path_codec.key(path), file__trashed=None)
    return found.select_related("by").order_by("-pk")


def find(library: Library, path: str, version_id: str) -> Version:
    """One version of the file at a path. NotFoundError for any other."""
    is_number = version_id.isdecimal() and len(version_id) < 19
    found = versions_of(library, path).select_related("file").filter(pk=version_id).first() if is_number else None
    if found is None:
        raise NotFoundError(gettext("No such version of this file."))
    return found
