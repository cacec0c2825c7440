"""Template tags and filters of the Drive, also for the pages of other apps."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import template
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from collabs.models import Collab, Role
from drive.browser.collab_readme import files_of, rendered_readme
from drive.files import recent
from drive.files.library_access import LibraryAccess
from drive.files.paths import name_in_form, quoted
from drive.folders import Folder
from drive.libraries import quota
from drive.libraries.access import library_of
from drive.libraries.public_links import may_link
from drive.libraries.visibility import Entry
from drive.models import Loss, Trashed, Version
from drive.storage import FileEntry, shown
from drive.versions import history
from portal.addresses import address
from portal.models import User
from portal.prepared_queries import prepared
from portal.text.markdown import render

register = template.Library()
LATEST = 6


@register.simple_tag(takes_context=True)
def collab_lab_path(context: template.Context, collab: Collab) -> str:
    """Path of the Collab's files in the person's Lab: as a member, else among the public libraries; "" for visitors."""
    user = context["request"].user
    if not user.is_authenticated:
        return ""
    folder = Folder.GROUPS if getattr(collab, "my_role", None) else Folder.ALL
    return f"{folder}/{collab.title}"


@register.inclusion_tag("drive/_readme.html", takes_context=True)
def collab_readme(context: template.Context, collab: Collab) -> dict[str, Any]:
    """The README.md of the Collab's library, rendered; or how to make one."""
    may_write = getattr(collab, "my_role", None) in (Role.ADMINISTRATOR, Role.EDITOR) and not collab.archived_at
    html, base = rendered_readme(collab, library_of(collab)), files_of(collab)
    return {"html": html, "base": base, "may_write": may_write, "csrf_token": context.get("csrf_token")}


@register.filter
def last_time(end: datetime) -> str:
    """When a link ends: its last day, as its form asks for it, or the moment that the API was given."""
    local = timezone.localtime(end)
    if local.time() == time():
        return date_format(local - timedelta(days=1), "DATE_FORMAT")
    return date_format(local, "DATETIME_FORMAT")


@register.simple_tag
def rendered(text: str | None, base: str, folder: str = "") -> SafeString | None:
    """Markdown of a file in `folder`, below `base`."""
    return render(text, base=base, folder=folder) if text else None


@register.inclusion_tag("drive/_files.html")
def collab_latest(collab: Collab) -> dict[str, Any]:
    """The Collab's files that changed last."""
    base = reverse("collab_files", args=[collab.slug])
    found = recent.of_library(library_of(collab), LATEST)
    return {"files": [(f"{base}{quoted(file.path)}", file) for file in found]}


@register.inclusion_tag("drive/_files.html", takes_context=True)
def recent_files(context: template.Context) -> dict[str, Any]:
    """The files that changed last in the person's libraries, their Collabs' and what is shared with them."""
    found = recent.of_person(context["request"].user, LATEST)
    files = [(address("drive:path", file.row.library_id, file.path), file) for file in found]
    return {"files": files, "show_library": True}


@register.simple_tag
def quota_usage(access: LibraryAccess) -> quota.Usage | None:
    """Usage of the library owner's quota; None for those who may not write."""
    return quota.of(access.library) if access.may_write else None


@register.simple_tag(takes_context=True)
def link_address(context: template.Context, access: LibraryAccess, path: str = "") -> str:
    """URL of the page that creates a public link to a path; "" for those who may not."""
    user = context["request"].user
    if access.entry is None or not may_link(user, access.library):
        return ""
    page = reverse("drive:links", args=[access.library.pk])
    inside = access.inside(path)
    return f"{page}?{urlencode({'path': inside})}" if inside and shown(inside) == inside else page


@register.simple_tag
def upload_link_address(access: LibraryAccess, path: str = "") -> str:
    """URL of the page that creates an upload link to a folder; "" for those who may not write in it."""
    if access.entry is None or not access.may_write:
        return ""
    page, inside = reverse("drive:upload_links", args=[access.library.pk]), access.inside(path)
    return f"{page}?{urlencode({'path': inside})}" if inside and shown(inside) == inside else page


@register.simple_tag
def folder_in_tree(access: LibraryAccess, path: str) -> str:
    """A folder as the tree of destinations names it; "" where the person may only read."""
    return f"{access.library.pk}/{name_in_form(access.inside(path))}" if access.may_write else ""


@register.simple_tag
def my_quota_usage(user: User) -> quota.Usage:
    """Usage of the quota of a person's own libraries."""
    return quota.of_person(user)


@register.filter
def author(version: Version) -> str:
    """Authors of a version, as a page names them."""
    return history.authors(version) or gettext("unknown")


@register.filter
def deleter(item: Trashed) -> str:
    """Who deleted an item of the trash, as a page names them."""
    return history.author(item.deleted_by, item.via)


@register.inclusion_tag("drive/_loss.html", takes_context=True)
def loss_banner(context: template.Context, access: LibraryAccess) -> dict[str, Any]:
    """Tells the people of a library when much of it is gone at once."""
    losses = _open_losses(library=access.library.pk) if access.entry else []
    return {"loss": next(iter(losses), None), "access": access, "csrf_token": context.get("csrf_token")}


@prepared
def _open_losses(library: UUID) -> QuerySet[Loss]:
    return Loss.objects.filter(library=library, answered_at=None)[:1]


register.filter("name_in_form", name_in_form)


@register.filter
def child_address(item: FileEntry, folder: str) -> str:
    """Address of an entry of the folder whose page is at `folder` (ends with a slash)."""
    return f"{folder}{quoted(item.name)}{'/' if item.kind == 'folder' else ''}"


@register.filter
def of(found: dict, key: Any) -> Any:
    """Value of a dictionary for a key; "" if there is none."""
    return found.get(key, "")


@register.filter
def in_lab(entry: Entry, path: str) -> str:
    """Path in the Lab of a path in this library."""
    return entry.lab_path(path)
