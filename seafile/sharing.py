"""Public links, and shares of one's own libraries with people."""

from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils import timezone

from api.models import Scope
from drive.libraries import public_links, services
from drive.libraries.access import owned_library
from drive.models import Library, Permission, PublicLink, Share
from drive.storage import open_library, path_codec
from portal.accounts import people_search
from portal.models import User

from .calls import Call, answer, existing, tidy, uuid_of
from .errors import SeafileError

MOST_DAYS = 3650

# Public links: with the scope `manage`, as by the API; their addresses are all that it takes to read


def _links(user: User) -> QuerySet[PublicLink]:
    return PublicLink.objects.open().filter(created_by=user).select_related("library", "created_by")


def _link_json(link: PublicLink) -> dict[str, object]:
    path = path_codec.from_row(link.path)
    return {
        "token": public_links.token(link),
        "link": public_links.address(link),
        "repo_id": str(link.library_id),
        "repo_name": link.library.name,
        "path": f"/{path}/" if link.is_folder and path else f"/{path}",
        "obj_name": path.rpartition("/")[2] or "/",
        "is_dir": link.is_folder,
        "is_expired": False,
        "expire_date": link.expires_at.isoformat() if link.expires_at else "",
        "ctime": link.created_at.isoformat(),
        "username": link.created_by.username,
        "view_cnt": link.uses,
        "permissions": {"can_edit": False, "can_download": True, "can_upload": False},
    }


def _link(call: Call, library_id: UUID, path: str, *, password: str = "", days: str = "") -> PublicLink:
    """A public link to a file or folder: the one that the person has made before, or a new one."""
    call.asker.require(Scope.MANAGE)
    library, _entry = call.reading(library_id)
    with open_library(library) as files:
        path, _item = existing(files, path)
    known = _links(call.user).filter(library=library, path=path_codec.to_row(path), password="", expires_at=None)
    if not password and not days and (link := known.first()):
        return link
    if not public_links.may_link(call.user, library):
        raise SeafileError(403, "Only the owner, or an administrator of the Collab, can create public links.")
    until = None
    if days:
        if not days.isdecimal() or not 0 < int(days[:9]) <= MOST_DAYS:
            raise SeafileError(400, f"expire_days is a number from 1 to {MOST_DAYS}.")
        until = timezone.now() + timedelta(days=int(days))
    return public_links.make_link(call.user, library, path, password=password, expires_at=until)


def shared_link(call: Call, library_id: UUID) -> HttpResponse:
    """A public link as ebrains-drive asks for one: it reads the header `Location`."""
    link = _link(call, library_id, tidy(call.field("p")))
    response = answer("", 201)
    response["Location"] = public_links.address(link)
    return response


def list_links(call: Call) -> HttpResponse:
    """The person's public links; of one library or path, if these are given."""
    call.asker.require(Scope.MANAGE)
    rows, given = _links(call.user), call.request.GET
    if given.get("repo_id"):
        rows = rows.filter(library=call.reading(uuid_of(given["repo_id"]))[0])
    if given.get("path"):
        rows = rows.filter(path=path_codec.to_row(tidy(given["path"])))
    return answer([_link_json(link) for link in rows])


def make_link(call: Call) -> HttpResponse:
    """A public link, perhaps with `password` or for `expire_days`."""
    days = call.fields.get("expire_days", "")
    days = str(days[-1] if isinstance(days, list) and days else days or "")
    library_id, path = call.library_field("repo_id"), tidy(call.field("path"))
    return answer(_link_json(_link(call, library_id, path, password=call.field("password"), days=days)))


def end_link(call: Call, token: str) -> HttpResponse:
    """End a public link of one's own, for good."""
    call.asker.require(Scope.MANAGE)
    link = public_links.find(token)
    if link is None or link.created_by_id != call.user.pk:
        raise Http404("Share link not found.")
    call.reading(link.library_id)
    public_links.revoke_link(call.user, link)
    return answer({"success": True})


# Shares


def _own(call: Call, library_id: UUID, scope: Scope = Scope.SHARE) -> Library:
    call.asker.require(scope)
    if call.folder():
        raise SeafileError(400, "Only whole libraries can be shared with people.")
    return owned_library(call.user, library_id)


def _permission(call: Call) -> Permission:
    try:
        return Permission(call.field("permission") or "r")
    except ValueError as error:
        raise SeafileError(400, "permission is “r” or “rw”.") from error


def list_shares(call: Call, library_id: UUID) -> HttpResponse:
    """People with whom the library is shared."""
    rows = _own(call, library_id, Scope.READ).shares.exclude(user=None).select_related("user")
    return answer([_share_json(row) for row in rows])


def _share_json(row: Share) -> dict[str, object]:
    assert row.user
    about = {"name": row.user.username, "nickname": row.user.display_name}
    return {"share_type": "user", "user_info": about, "permission": row.permission, "is_admin": False}


def share(call: Call, library_id: UUID) -> HttpResponse:
    """Share with people (`username`, several times perhaps): usernames or e-mail addresses."""
    library, permission = _own(call, library_id), _permission(call)
    if call.field("share_type") != "user":
        raise SeafileError(400, "Sharing with people (share_type=user) only. Share with teams on the library's page.")
    done, failed = [], []
    for name in call.all("username"):
        try:
            other = people_search.find_person(name, call.user)
            done.append(_share_json(services.share_with_person(call.user, library, other, permission)))
        except ValidationError as error:
            failed.append({"user_email": name, "email": name, "error_msg": " ".join(error.messages)})
    if not done and failed:
        raise SeafileError(400, " ".join(str(one["error_msg"]) for one in failed))
    return answer({"success": done, "failed": failed})


def _share_of(call: Call, library: Library) -> Share:
    name = (call.request.GET.get("username") or call.field("username")).replace("\0", "").strip()
    rows = library.shares.select_related("library", "user", "collab")
    row = rows.filter(user__username=name.lower()).first() or rows.filter(user__email__iexact=name).first()
    if not name or row is None:
        raise Http404("It is not shared with this person.")
    return row


def change_share(call: Call, library_id: UUID) -> HttpResponse:
    """Another permission for somebody."""
    row = _share_of(call, _own(call, library_id))
    services.change_share(call.user, row, _permission(call))
    return answer({"success": True})


def end_share(call: Call, library_id: UUID) -> HttpResponse:
    """Stop sharing with somebody."""
    services.unshare(call.user, _share_of(call, _own(call, library_id)))
    return answer({"success": True})
