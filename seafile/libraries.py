"""Libraries as Seafile's clients list them: each once, by a name that nobody else can take over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.template.defaultfilters import filesizeformat

from api.models import Scope
from collabs.models import RANKS, EffectiveRole
from drive.folders import Folder
from drive.libraries import naming, services
from drive.libraries.access import get_library, owned_library
from drive.libraries.visibility import Entry, entries
from drive.models import Library
from drive.storage import StorageError, layout
from drive.versions import trash
from portal.models import User
from portal.ops.task_queue import publish
from portal.text.unique_names import name_key

from .calls import Call, answer, object_id
from .errors import SeafileError

PUBLIC = "Organization"
"""Owner of public libraries, to whom they are nothing else."""
TYPES = {Folder.MINE: "repo", Folder.PEOPLE: "srepo", Folder.GROUPS: "grepo", Folder.ALL: "grepo"}
KINDS = {"mine": Folder.MINE, "shared": Folder.PEOPLE, "group": Folder.GROUPS, "org": Folder.ALL}
"""`type` in the query, by the folder of the Drive."""
_ORDER = {folder: number for number, folder in enumerate(Folder)}


@dataclass(frozen=True)
class Listed:
    """A library as one person's program sees it."""

    library: Library
    entry: Entry
    name: str
    owner: str

    @property
    def permission(self) -> str:
        """`r` or `rw`."""
        return self.entry.permission

    @property
    def changed(self) -> datetime:
        """When something was added at its top, or removed."""
        try:
            return datetime.fromtimestamp(int(layout.find(self.library.pk).stat().st_mtime), UTC)
        except (OSError, StorageError):  # its directory moves in this moment, or is missing
            return self.library.created_at

    def as_json(self) -> dict[str, object]:
        """As in the list of libraries."""
        kind = TYPES[self.entry.folder]
        of_group = {"group_name": self.owner, "groupid": 0} if kind == "grepo" else {}
        return self._base() | {"type": kind, "owner": self.owner, "owner_name": self.owner} | of_group

    def as_one(self) -> dict[str, object]:
        """As a library by itself: the owner is `self`, or `share`."""
        owner = "self" if self.entry.folder == Folder.MINE else "share"
        return self._base() | {"type": "repo", "owner": owner, "file_count": self.library.used_files}

    def _base(self) -> dict[str, object]:
        """The types are exact: rclone takes no number with a point, and nothing but a boolean for `encrypted`."""
        changed = self.changed
        return {
            "id": str(self.library.pk),
            "name": self.name,
            "desc": "",
            "permission": self.permission,
            "mtime": int(changed.timestamp()),
            "mtime_relative": "",
            "size": self.library.used_bytes,
            "size_formatted": filesizeformat(self.library.used_bytes).replace("\xa0", " "),
            "encrypted": False,
            "virtual": False,
            "root": object_id(f"{self.library.pk} {changed}"),
            "head_commit_id": object_id(f"{self.library.pk} {changed}"),
            "version": 1,
            "salt": "",
            "share_type": "",
            "modifier_email": "",
            "modifier_name": "",
            "modifier_contact_email": "",
        }


def listed(user: User, library_id: UUID | None = None) -> list[Listed]:
    """The libraries that a person sees, own ones first; one of them, if given. Four queries."""
    best = _best(entries(user, library=library_id))
    if not best:
        return []
    rows = Library.objects.visible_to(user).select_related("owner_user", "owner_collab")
    rows = rows.filter(pk=library_id) if library_id else rows
    own = Library.objects.live().filter(owner_user=user).values_list("name_key", flat=True)
    roles, taken, found = _roles(user), set(own), []
    by_id = {row.pk: row for row in rows}
    for entry in best:
        if row := by_id.get(entry.library_id):  # it may have gone meanwhile
            found.append(Listed(row, entry, _name(entry, taken), _owner(user, row, entry, roles)))
    return found


def _best(found: Iterable[Entry]) -> list[Entry]:
    """One entry of each library, with the most right."""
    best: dict[UUID, Entry] = {}
    for entry in sorted(found, key=lambda entry: (not entry.may_write, _ORDER[entry.folder])):
        best.setdefault(entry.library_id, entry)
    return sorted(best.values(), key=lambda entry: (_ORDER[entry.folder], entry.name.casefold()))


def _name(entry: Entry, own: set[str]) -> str:
    """Names of shared libraries are unique on the site. One that is called like an own library gives way to it.

    rclone takes the first of a name: nobody else's library is to stand where a person's own stood yesterday.
    """
    if entry.folder == Folder.MINE or name_key(entry.name) not in own:
        return entry.name
    return f"{entry.name} ({str(entry.library_id)[:8]})"


def _roles(user: User) -> dict[int, str]:
    """The person's highest role by Collab."""
    found = EffectiveRole.objects.filter(user=user).values_list("collab_id", "role")
    return dict(sorted(found, key=lambda row: RANKS.get(row[1], 0)))


def _owner(user: User, row: Library, entry: Entry, roles: dict[int, str]) -> str:
    """`collab-<slug>-<role>` for a member of its Collab, by which ebrains-drive finds a library from the Collab."""
    if row.owner_user_id == user.pk:
        return user.email or user.username
    if row.owner_collab and row.owner_collab_id in roles:
        return f"collab-{row.owner_collab.slug}-{roles[row.owner_collab_id]}"
    if entry.folder == Folder.ALL or row.owner_user is None:
        return PUBLIC
    return row.owner_user.username


def one(call: Call, library_id: UUID) -> Listed:
    """A library; Http404 where the person sees no such one."""
    call.asker.require(Scope.READ)
    found = listed(call.user, library_id)
    if not found:
        raise Http404("Library not found.")
    return found[0]


def list_all(call: Call) -> HttpResponse:
    """All libraries; `type` and `nameContains` choose."""
    call.asker.require(Scope.READ)
    kinds = [KINDS[name] for name in call.request.GET.get("type", "").split(",") if name in KINDS]
    wanted = name_key(call.request.GET.get("nameContains", ""))
    found = [each for each in listed(call.user) if wanted in name_key(each.name)]
    return answer([each.as_json() for each in found if not kinds or each.entry.folder in kinds])


def get(call: Call, library_id: UUID) -> HttpResponse:
    """One library, as `/api2/` shows it."""
    return answer(one(call, library_id).as_one())


def get_v21(call: Call, library_id: UUID) -> HttpResponse:
    """One library, as `/api/v2.1/` shows it."""
    found = one(call, library_id)
    return answer(
        {
            "repo_id": str(library_id),
            "repo_name": found.name,
            "size": found.library.used_bytes,
            "file_count": found.library.used_files,
            "last_modified": found.changed.isoformat(),
            "permission": found.permission,
            "owner_email": found.owner,
            "owner_name": found.owner,
            "encrypted": False,
            "lib_need_decrypt": False,
        }
    )


def create(call: Call) -> HttpResponse:
    """A new library of one's own. An empty password means that it is not encrypted; another one is refused."""
    call.asker.require(Scope.MANAGE)
    if call.field("passwd"):
        raise SeafileError(400, "Encrypted libraries are not supported.")
    library = services.create_library(call.user, naming.clean(call.field("name")))
    return answer(
        {
            "repo_id": str(library.pk),
            "repo_name": library.name,
            "repo_desc": "",
            "repo_size": 0,
            "email": call.user.email or call.user.username,
            "encrypted": "",
            "token": "",
        }
    )


def delete(call: Call, library_id: UUID) -> HttpResponse:
    """Delete one's own library; it can be restored for 30 days."""
    call.asker.require(Scope.MANAGE)
    try:
        services.delete_library(call.user, owned_library(call.user, library_id))
    except ValidationError as error:
        raise SeafileError(403, " ".join(error.messages)) from error
    return answer("success")


def unlock(call: Call, library_id: UUID) -> HttpResponse:
    """The password of an encrypted library; there are none."""
    call.reading(library_id)
    raise SeafileError(409, "Repo is not encrypted.")


def default(call: Call) -> HttpResponse:
    """My Library, which everybody has."""
    call.asker.require(Scope.READ)
    row = Library.objects.live().filter(owner_user=call.user, is_default=True).first()
    if row is None or not entries(call.user, library=row.pk):  # the token is limited to others
        return answer({"exists": False, "repo_id": ""})
    return answer({"exists": True, "repo_id": str(row.pk)})


def empty_trash(call: Call, library_id: UUID) -> HttpResponse:
    """Remove what is in the trash for good, as the page does; with `keep_days` what is older.

    A token needs the scope `manage`, as by the API: what a notebook in a Lab deletes can be restored.
    """
    call.asker.require(Scope.MANAGE)
    library, _entry = get_library(call.user, library_id, "rw")
    days = call.request.GET.get("keep_days") or call.field("keep_days") or "0"
    if not days.isdecimal() or len(days) > 5:
        raise SeafileError(400, "keep_days is a number of days.")
    trash.purge_all(call.user, library, before=trash.days_ago(int(days)))
    publish("drive.tasks.empty_bin")  # should the broker be away: every night
    return answer({"success": True})
