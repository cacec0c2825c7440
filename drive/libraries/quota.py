"""Quotas: bytes and files for all libraries of a person together, and for the library of a Collab.

The settings say how much everybody has; a row of `Quota` says it for one person or Collab. What is used stands in the
libraries' rows: changes on the web adjust it, the scan of what notebooks did counts anew. So:

- On the web nothing is put in place that does not fit. What has begun to arrive is promised its room (`promise`), and
  promises count as what is there: what arrives in the same moment fits together.
- What a Lab writes is written to the disk without asking. The supervisor looks, and has libraries be read-only in Labs
  whose quota is used up (lab/supervisor/drive_space.py); the next scan counts it for the web, which takes no more.
- Deleted libraries count until their removal for good begins. The trash and earlier versions do not count.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext, ngettext

from collabs.models import Collab
from drive.models import Library, Quota
from drive.storage import DiskFullError, disk_space, promises
from drive.storage.promises import Promise
from portal.models import User
from portal.prepared_queries import prepared
from portal.text.numbers import grouped

PUT_SECONDS = 1
"""How long one waits for files that are being put in place, before something does not fit beside them."""
NEARLY = 0.9
"""Share of a quota from which the bar warns."""


class OverQuotaError(DiskFullError):
    """The quota would be exceeded (507). Nothing was changed."""


@dataclass(frozen=True)
class Usage:
    """Usage of a quota."""

    whose: str
    """“The libraries of ada”, “The Collab “Cortex””: the beginning of a sentence."""
    used_bytes: int
    max_bytes: int
    used_files: int
    max_files: int

    @property
    def share(self) -> float:
        """Used share by bytes or files, whichever is more: 1.0 is full, and it may be more."""
        return max(_share(self.used_bytes, self.max_bytes), _share(self.used_files, self.max_files))

    @property
    def percent(self) -> int:
        """For the bar: 100 at most."""
        return min(100, int(self.share * 100))

    @property
    def is_over(self) -> bool:
        """More is there than may be: a Lab wrote it, or the quota was made smaller."""
        return self.used_bytes > self.max_bytes or self.used_files > self.max_files

    @property
    def is_nearly_full(self) -> bool:
        """True from a share of NEARLY on."""
        return self.share >= NEARLY

    def __str__(self) -> str:
        """“3.2 GB of 100.0 GB, 1,024 of 1,000,000 files”."""
        return gettext("%(size)s of %(max_size)s, %(files)s of %(max_files)s files") % {
            "size": filesizeformat(self.used_bytes),
            "max_size": filesizeformat(self.max_bytes),
            "files": grouped(self.used_files),
            "max_files": grouped(self.max_files),
        }


def _share(used: int, most: int) -> float:
    if most:
        return used / most
    return 2.0 if used else 1.0


def of(library: Library) -> Usage:
    """Usage of the quota that the library counts against. Two queries."""
    of_collab, owner = bool(library.owner_collab_id), library.owner_collab_id or library.owner_user_id
    used = _used(of_collab, owner=owner)
    max_bytes, max_files = _limits(library, _own_limits(of_collab, owner=owner))
    return Usage(_whose(library), sum(row[0] for row in used), max_bytes, sum(row[1] for row in used), max_files)


def of_person(user: User) -> Usage:
    """Usage of the quota of a person's own libraries. Two queries."""
    return of(Library(owner_user=user))


@dataclass(frozen=True)
class Row:
    """Somebody's use in the list of all quotas."""

    kind: str
    """`person` or `collab`."""
    who: str
    used_bytes: int
    max_bytes: int
    used_files: int
    max_files: int
    own: bool
    """Whether they have a quota of their own."""


def everybodys(*, own: bool = False) -> list[Row]:
    """Who owns libraries or has a quota of their own, the most first; `own`: only the latter. Four queries."""
    quotas = {(row.user_id, row.collab_id): row for row in Quota.objects.all()}
    owners = Library.objects.filter(removed_at=None).order_by().values_list("owner_user", "owner_collab")
    sums = owners.annotate(size=Sum("used_bytes"), number=Sum("used_files"))
    used = {(user, collab): (size, files) for user, collab, size, files in sums}
    people: dict[int | None, str] = dict(User.objects.values_list("pk", "username"))
    collabs: dict[int | None, str] = dict(Collab.all_objects.values_list("pk", "slug"))
    found = []
    for user, collab in quotas if own else quotas.keys() | used.keys():
        size, files = used.get((user, collab), (0, 0))
        library, row = Library(owner_user_id=user, owner_collab_id=collab), quotas.get((user, collab))
        max_bytes, max_files = _limits(library, [(row.max_bytes, row.max_files)] if row else [])
        kind, who = ("person", people[user]) if user else ("collab", collabs[collab])
        found.append(Row(kind, who, size, max_bytes, files, max_files, row is not None))
    return sorted(found, key=lambda row: (-row.used_bytes, row.kind, row.who))


@prepared
def _used(of_collab: bool, *, owner: int) -> QuerySet:
    """Bytes and files of all libraries together: one row, or none without libraries."""
    whose = Q(owner_collab=owner) if of_collab else Q(owner_user=owner)
    libraries = Library.objects.filter(whose, removed_at=None).order_by()
    column = "owner_collab" if of_collab else "owner_user"
    return (
        libraries.values(column).annotate(size=Sum("used_bytes"), files=Sum("used_files")).values_list("size", "files")
    )


@prepared
def _own_limits(of_collab: bool, *, owner: int) -> QuerySet:
    rows = Quota.objects.filter(Q(collab=owner) if of_collab else Q(user=owner))
    return rows.values_list("max_bytes", "max_files")[:1]


def _limits(library: Library, own_limits: list[tuple[int | None, int | None]]) -> tuple[int, int]:
    """Bytes and files that the library's owner may have; `own_limits`, if any, stand in the first row."""
    if library.owner_collab_id:
        most = settings.QUOTA_COLLAB_BYTES, settings.QUOTA_COLLAB_FILES
    else:
        most = settings.QUOTA_PERSON_BYTES, settings.QUOTA_PERSON_FILES
    own = own_limits[0] if own_limits else (None, None)
    return (most[0] if own[0] is None else own[0]), (most[1] if own[1] is None else own[1])


@dataclass(frozen=True)
class Allowed:
    """What a quota allows all of its libraries together."""

    owner: str
    """As `owner_of`."""
    max_bytes: int
    max_files: int
    libraries: tuple[UUID, ...]
    used_bytes: int = 0


def allowed(libraries: Iterable[UUID]) -> dict[UUID, Allowed]:
    """For each library, what the quota that it counts against allows. Two queries."""
    asked = Library.objects.filter(pk__in=list(libraries))
    rows = list(asked.select_related("owner_user__quota", "owner_collab__quota"))
    of_owners: defaultdict[str, list[UUID]] = defaultdict(list)
    used: defaultdict[str, int] = defaultdict(int)
    same = Q(owner_user__in={row.owner_user_id for row in rows}) | Q(
        owner_collab__in={row.owner_collab_id for row in rows}
    )
    fields = "pk", "owner_user", "owner_collab", "used_bytes"
    for pk, user, collab, size in Library.objects.filter(same, removed_at=None).order_by("pk").values_list(*fields):
        of_owners[_owner(collab, user)].append(pk)
        used[_owner(collab, user)] += size
    found = {}
    for row in rows:
        own = getattr(row.owner_collab or row.owner_user, "quota", None)
        limits = _limits(row, [(own.max_bytes, own.max_files)] if own else [])
        owner = owner_of(row)
        found[row.pk] = Allowed(owner, *limits, tuple(of_owners[owner]), used[owner])
    return found


def sender_of(person: int) -> str:
    """A word for a signed-in person who uploads."""
    return f"person {person}"


def owner_of(library: Library) -> str:
    """A word for the quota that a library counts against."""
    return _owner(library.owner_collab_id, library.owner_user_id)


def _owner(collab: int | None, user: int | None) -> str:
    return f"collab {collab}" if collab else f"person {user}"


def _whose(library: Library) -> str:
    if library.owner_collab_id:
        return gettext("The Collab “%(name)s”") % {"name": library.name}
    return gettext("The libraries of %(owner_user)s") % {"owner_user": library.owner_user}


def differs(one: Library, other: Library) -> bool:
    """True if the two libraries count against different quotas."""
    return (one.owner_collab_id, one.owner_user_id) != (other.owner_collab_id, other.owner_user_id)


def promise(
    library: Library,
    key: str,
    kind: str,
    *,
    size: int,
    files: int,
    disk: int,
    arrived: int = 0,
    link: str = "",
    sender: str = "",
) -> None:
    """Promise room for what is about to arrive: bytes and files of the quota, bytes of the disk, of which some have.

    `kind`: promises.BODY or UPLOAD; `link` and `sender` as in Promise. OverQuotaError or DiskFullError where it does
    not fit with all that was promised; of the disk an upload is then kept what comes next (`disk_space.ahead`).
    """
    with _fits(library, size, files):
        disk_space.require(disk - arrived)
        ahead = disk_space.ahead(disk - arrived, sender) if kind == promises.UPLOAD else None
        owner = owner_of(library)
        made = Promise(owner, max(0, size), max(0, files), disk, link, sender, ahead=ahead)
        if kind == promises.BODY and sender and not link and not promises.own():  # not a piece of an upload
            disk_space.require_share(made, of(library).max_bytes)
        promises.make(key, kind, made)


@contextmanager
def held(library: Library, extra_bytes: int, extra_files: int) -> Iterator[None]:
    """As `check`, for a file that is put in place meanwhile: nobody else is given its room until it counts as used."""
    own = promises.total(promises.own())
    wanted = Promise(owner_of(library), max(0, extra_bytes - own[0]), max(0, extra_files - own[1]))
    with ExitStack() as stack:
        with _fits(library, extra_bytes, extra_files):
            if wanted.size or wanted.files:
                stack.enter_context(promises.making(secrets.token_hex(16), wanted))
        yield


@contextmanager
def _fits(library: Library, extra_bytes: int, extra_files: int) -> Iterator[None]:
    """The lock of promises, in which so much more fits. OverQuotaError.

    A file that has just been put in place counts twice for a moment, as used and as promised. Whoever is refused
    meanwhile looks again, without keeping the lock.
    """
    deadline = time.monotonic() + PUT_SECONDS
    while True:
        with promises.lock():
            try:
                check(library, extra_bytes, extra_files)
            except OverQuotaError:
                if time.monotonic() > deadline or not promises.is_putting(owner_of(library)):
                    raise
            else:
                yield
                return
        time.sleep(0.01)


def check(library: Library, extra_bytes: int, extra_files: int = 1) -> None:
    """Raise OverQuotaError unless so much more fits, with what is promised to others.

    Making something smaller is always possible.
    """
    owner = owner_of(library)
    # Before what is used: a file that is put in place in between counts twice then, and never not at all.
    promised = promises.total(one for one in promises.others() if one.owner == owner)
    usage = of(library)
    too_large = extra_bytes > 0 and usage.used_bytes + promised[0] + extra_bytes > usage.max_bytes
    too_many = extra_files > 0 and usage.used_files + promised[1] + extra_files > usage.max_files
    if too_large:
        more = gettext("%(size)s more would not fit") % {"size": filesizeformat(extra_bytes)}
    elif too_many:
        more = ngettext("one more file would not fit", "%(number)s more files would not fit", extra_files)
        more %= {"number": grouped(extra_files)}
    else:
        return
    kept = gettext("%(size)s of it are kept for uploads that are under way.")
    raise OverQuotaError(
        gettext(
            "%(whose)s may use %(max_size)s and %(max_files)s files. %(size)s and %(files)s files are in use: "
            "%(more)s. Nothing was changed. Delete what is not needed, or ask an operator of this site for more room."
        )
        % {
            "whose": usage.whose,
            "max_size": filesizeformat(usage.max_bytes),
            "max_files": grouped(usage.max_files),
            "size": filesizeformat(usage.used_bytes + promised[0]),
            "files": grouped(usage.used_files + promised[1]),
            "more": more,
        }
        + (f" {kept % {'size': filesizeformat(promised[0])}}" if promised[0] else "")
    )
