"""Actions on several entries of one folder: ticked in its list, or named in the URL."""

from collections.abc import Callable, Iterable

from django.contrib import messages
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext

from drive.files import operations
from drive.files.library_access import LibraryAccess
from drive.files.paths import name_from_form
from drive.models import Trashed
from drive.storage import StorageError, check_name, shown
from portal.access import person

from .views_folder import child
from .views_trash import UNDONE_AT_ONCE

SAID = 5
"""So many refusals are said one by one."""


class NothingSelectedError(StorageError):
    """The form came without a name."""


def selected(request: HttpRequest) -> list[str]:
    """The names that were ticked, each once; NothingSelectedError where there are none."""
    fields = (request.POST if request.method == "POST" else request.GET).getlist("name")
    names = list(dict.fromkeys(check_name(name_from_form(field)) for field in fields if field))
    if not names:
        raise NothingSelectedError(gettext("Select at least one item in the list first."))
    return names


def delete(request: HttpRequest, access: LibraryAccess, path: str) -> None:
    """All that is selected goes to the trash."""
    actor = person(request)
    names = selected(request)
    trashed: list[Trashed] = []
    done = each(
        request,
        names,
        lambda name: trashed.append(operations.delete(actor, access.library, access.inside(child(path, name)))),
    )
    if done:
        messages.success(request, _deleted(request, done, trashed))


def _deleted(request: HttpRequest, done: list[str], trashed: list[Trashed]) -> str:
    """What was deleted, with a button that puts it back. It posts to the list that the deletion came from."""
    said = ngettext(
        "“%(name)s” was moved to the library's trash.", "%(number)s items were moved to the library's trash.", len(done)
    ) % {"name": shown(done[0]), "number": len(done)}
    if len(trashed) > UNDONE_AT_ONCE:
        return said
    ids = format_html_join("", '<input type="hidden" name="id" value="{}">', ((item.pk,) for item in trashed))
    return format_html(
        '{} <form class="undo" method="post" action="{}"><input type="hidden" name="csrfmiddlewaretoken" value="{}">{}'
        '<button class="button small" name="do" value="undo">{}</button></form>',
        said,
        request.get_full_path(),
        get_token(request),
        ids,
        gettext("Undo"),
    )


def each(request: HttpRequest, names: Iterable[str], act: Callable[[str], object]) -> list[str]:
    """Do it to each; what cannot be done is said, and does not keep the others back. Returns those that worked."""
    done, refused = [], []
    for name in names:
        try:
            act(name)
            done.append(name)
        except StorageError as error:
            refused.append(f"“{shown(name)}”: {error}")
    for text in refused[:SAID]:
        messages.error(request, text)
    if len(refused) > SAID:
        more = len(refused) - SAID
        said = ngettext("%(number)s more could not be changed.", "%(number)s more could not be changed.", more)
        messages.error(request, said % {"number": more})
    return done
