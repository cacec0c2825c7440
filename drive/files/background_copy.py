"""Copies that take long: a task makes them, and their person is told (`notices`) when they are done."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext, ngettext

from drive.libraries.access import get_library
from drive.storage import StorageError, path_codec, shown
from drive.storage.copying import Copied
from notices.models import Kind
from notices.services import notify
from portal.access import ForbiddenError
from portal.languages import speaking_to
from portal.models import User
from portal.ops.task_queue import publish

from . import operations
from .library_access import access_by

QUICK_BYTES = 256 << 20
QUICK_FILES = 1000
"""What is copied while its person waits: about a second on a slow disk."""
SAID = 20
"""So many of what could not be copied are named."""


@dataclass(frozen=True)
class BackgroundCopy:
    """Files and folders that are to be copied, and where to."""

    actor_id: int
    source: UUID
    target: UUID
    folder: str
    """Of the target library; "" for its top."""
    names: dict[str, str]
    """By path in the source library, the name of the copy."""

    def queue(self) -> bool:
        """Leave it to a task; False if the broker is unavailable."""
        to_row = path_codec.to_row  # a message is JSON, which holds no lone surrogates
        names = [[to_row(path), to_row(name)] for path, name in self.names.items()]
        return publish(
            "drive.tasks.copy", self.actor_id, str(self.source), str(self.target), to_row(self.folder), names
        )

    @classmethod
    def of_message(cls, actor_id: int, source: str, target: str, folder: str, names: list[list[str]]) -> Self:
        """As it was queued."""
        from_row = path_codec.from_row
        found = {from_row(path): from_row(name) for path, name in names}
        return cls(actor_id, UUID(source), UUID(target), from_row(folder), found)

    def run(self) -> None:
        """Copy, one after the other, with the rights that the person has now; then tell them."""
        actor = User.objects.get(pk=self.actor_id)
        with speaking_to(actor):
            self._run(actor)

    def _run(self, actor: User) -> None:
        copied, refused, address = 0, [], ""
        try:
            source, _ = get_library(actor, self.source)
            target, entry = get_library(actor, self.target, "rw")
        except (Http404, ForbiddenError) as error:
            refused.append(str(error))
        else:
            address = access_by(target, entry).folder_address(self.folder)
            for path, name in self.names.items():
                there = f"{self.folder}/{name}" if self.folder else name
                try:
                    refused.extend(_left_out(operations.copy(actor, source, path, target, there)))
                    copied += 1
                except StorageError as error:
                    refused.append(f"“{shown(path)}”: {error}")
        self._tell(actor, copied, refused, address)

    def _tell(self, actor: User, copied: int, refused: list[str], address: str) -> None:
        """Write the notice. A name that is taken was free when they asked, or the task was killed and came again."""
        first = shown(next(iter(self.names.values())))
        if not copied:
            subject = gettext("Copying “%(name)s” failed") % {"name": first}
        elif len(self.names) == 1:
            subject = gettext("“%(name)s” was copied") % {"name": first}
        else:
            subject = ngettext("%(count)s item was copied", "%(count)s items were copied", copied) % {"count": copied}
        lines = refused[:SAID]
        if len(refused) > SAID:
            more = len(refused) - SAID
            said = ngettext("%(count)s more was not copied.", "%(count)s more were not copied.", more)
            lines.append(said % {"count": more})
        notify([actor], Kind.DONE, subject=subject, text="\n".join(lines), url=address)


def is_long(extra: Copied) -> bool:
    """True for what takes too long to be copied while somebody waits."""
    return extra.size > QUICK_BYTES or extra.files > QUICK_FILES


def _left_out(copied: Copied) -> Iterator[str]:
    """What a copy left out, as sentences."""
    top = shown(copied.path.rpartition("/")[2])
    for path in copied.left_out:
        said = gettext("“%(name)s” was not copied: it cannot be read, or it is a special file.")
        yield said % {"name": f"{top}/{shown(path)}" if path else top}
    if more := copied.more_left_out:
        yield ngettext("%(count)s more was not copied.", "%(count)s more were not copied.", more) % {"count": more}
