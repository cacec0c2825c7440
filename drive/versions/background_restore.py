"""Restoring that takes long: a task does it, and its person is told (`notices`) when it is done."""

from django.utils.translation import gettext, ngettext

from drive.models import Library, Loss, Trashed
from drive.storage import StorageError, path_codec, shown
from notices.models import Kind
from notices.services import notify
from portal.languages import speaking_to
from portal.models import User

from . import trash


def restore(actor: User, item: Trashed) -> None:
    """Put an item of the trash back."""
    library, name = item.library, shown(path_codec.from_row(item.path))
    with speaking_to(actor):
        try:
            path = shown(trash.restore(actor, item))
        except StorageError as error:
            _tell(actor, library, gettext("Restoring “%(name)s” failed") % {"name": name}, str(error))
            return
        said = "" if path == name else gettext("It is called “%(name)s” now: its name was taken.") % {"name": path}
        _tell(actor, library, gettext("“%(name)s” was restored") % {"name": name}, said)


def restore_loss(actor: User, loss: Loss) -> None:
    """Put everything back that vanished at once; what could not be restored stays in the trash."""
    of = loss.trashed.count()
    restored = trash.restore_loss(actor, loss)
    left = of - restored
    with speaking_to(actor):
        subject = ngettext("%(count)s item was restored", "%(count)s items were restored", restored)
        said = (
            ngettext("%(count)s item stays in the trash.", "%(count)s items stay in the trash.", left) if left else ""
        )
        _tell(actor, loss.library, subject % {"count": restored}, said % {"count": left})


def _tell(actor: User, library: Library, subject: str, text: str) -> None:
    notify([actor], Kind.DONE, subject=subject, text=text, url=library.get_absolute_url())
