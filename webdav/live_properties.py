"""Properties that the site itself knows of a file, folder or library (live properties), as XML."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.http import http_date

from drive.libraries import quota
from drive.storage import FileEntry, shown

from . import locks
from .models import Lock
from .paths import Place
from .xml_bodies import DAV, OWNCLOUD, text

TYPE = "application/octet-stream"
"""As downloads have it: files are never shown as pages of the site."""
_LOCKS = (
    "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    "<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
)


@dataclass
class Resource:
    """One answer of PROPFIND: a place, with what was found there."""

    place: Place
    name: str
    item: FileEntry | None = None
    """None for the root, the four folders, and libraries that are only listed."""
    size: int | None = None
    """Bytes of something that is no file on disk."""
    locks: list[Lock] = field(default_factory=list)
    checksum: str = ""
    dead: dict[str, str] = field(default_factory=dict)
    usage: Callable[[], quota.Usage | None] = lambda: None

    @property
    def is_folder(self) -> bool:
        """True for all that holds something."""
        return self.size is None and (self.item is None or self.item.kind == "folder")

    @property
    def may_write(self) -> bool:
        """True where the person can change something."""
        return bool(self.place.entry and self.place.entry.may_write)

    @property
    def href(self) -> str:
        """Its address: of a folder with a slash at the end."""
        return f"{self.place.href}/" if self.is_folder else self.place.href


def _name(one: Resource) -> str | None:
    return text(shown(one.name))


def _modified(one: Resource) -> str | None:
    return http_date(one.item.modified.timestamp()) if one.item else None


def _length(one: Resource) -> str | None:
    if one.is_folder:
        return None
    return str(one.item.size if one.item else one.size)


def _type(one: Resource) -> str | None:
    return None if one.is_folder else TYPE


def _etag(one: Resource) -> str | None:
    return text(one.item.etag) if one.item else None


def _resource_type(one: Resource) -> str | None:
    return "<D:collection/>" if one.is_folder else ""


def _supported_lock(one: Resource) -> str | None:
    return _LOCKS if one.place.library and one.may_write else ""


def _lock_discovery(one: Resource) -> str | None:
    return locks.active(one.locks, one.place)


def _available(one: Resource) -> str | None:
    usage = one.usage() if one.is_folder else None
    return None if usage is None else str(max(0, usage.max_bytes - usage.used_bytes))


def _used(one: Resource) -> str | None:
    usage = one.usage() if one.is_folder else None
    return None if usage is None else str(usage.used_bytes)


def _checksums(one: Resource) -> str | None:
    """Named with the prefix that the element's own opening tag declares."""
    return f"<O:checksum>{text(one.checksum)}</O:checksum>" if one.checksum else None


def _permissions(one: Resource) -> str | None:
    """ownCloud's letters: G read; D delete, N rename, V move; W write a file; C and K create in a folder."""
    return f"G{'DNV' + ('CK' if one.is_folder else 'W') if one.may_write else ''}"


def _size(one: Resource) -> str | None:
    return _length(one)


Value = Callable[[Resource], str | None]
LIVE: dict[str, Value] = {
    f"{{{DAV}}}displayname": _name,
    f"{{{DAV}}}resourcetype": _resource_type,
    f"{{{DAV}}}getlastmodified": _modified,
    f"{{{DAV}}}getcontentlength": _length,
    f"{{{DAV}}}getcontenttype": _type,
    f"{{{DAV}}}getetag": _etag,
    f"{{{DAV}}}supportedlock": _supported_lock,
    f"{{{DAV}}}lockdiscovery": _lock_discovery,
}
"""What `allprop` gives."""
ASKED: dict[str, Value] = {
    f"{{{DAV}}}quota-available-bytes": _available,
    f"{{{DAV}}}quota-used-bytes": _used,
    f"{{{OWNCLOUD}}}checksums": _checksums,
    f"{{{OWNCLOUD}}}permissions": _permissions,
    f"{{{OWNCLOUD}}}size": _size,
}
"""What is given only by name: the first two cost queries (RFC 4331), the others are ownCloud's."""
ALL = LIVE | ASKED
SETTABLE = f"{{{DAV}}}lastmodified"
"""Set by PROPPATCH in ownCloud's manner; read as getlastmodified."""


def protected(name: str) -> bool:
    """True for what no program may set: what the site knows, and anything else of these two namespaces."""
    return name.startswith((f"{{{DAV}}}", f"{{{OWNCLOUD}}}"))


def element(name: str, inner: str) -> str:
    """An element of ours with this content."""
    local = name.rpartition("}")[2]
    if name.startswith(f"{{{DAV}}}"):
        return f"<D:{local}>{inner}</D:{local}>" if inner else f"<D:{local}/>"
    return f'<O:{local} xmlns:O="{OWNCLOUD}">{inner}</O:{local}>'
