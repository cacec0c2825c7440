"""“Open in Lab” link and badge for a paper or README, on the page of a notebook."""

from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import PrefixNode
from django.utils.translation import gettext

from drive.files.library_access import LibraryAccess
from drive.folders import Folder
from drive.models import Library
from lab.locations import presence
from lab.locations.copies import NOTEBOOK
from portal.access import person

from .lab_tags import lab_address

register = template.Library()


@register.inclusion_tag("lab/_badge.html")
def lab_badge(access: LibraryAccess, path: str) -> dict[str, Any]:
    """Nothing for what is no notebook, and for visitors behind a public link, who cannot see what it is part of."""
    if access.entry is None or not path.endswith(NOTEBOOK):
        return {}
    link = settings.PORTAL_URL + lab_address(lasting_path(access.library, access.inside(path)))
    badge = f"{settings.PORTAL_URL}{PrefixNode.handle_simple('STATIC_URL')}img/open-in-lab.svg"
    return {
        "link": link,
        "badge": badge,
        "markdown": f"[![Open in Lab]({badge})]({link})",
        "reach": reach(access.library),
    }


@register.inclusion_tag("lab/_presence.html", takes_context=True)
def lab_presence(context: dict[str, Any], access: LibraryAccess, path: str) -> dict[str, Any]:
    """People who have this notebook open in the Lab now, for somebody who may change it."""
    if access.entry is None or not access.entry.may_write or not path.endswith(NOTEBOOK):
        return {}
    names = presence.names_with_file_open(person(context["request"]), access.library.pk, access.inside(path))
    return {"names": names, "together": names and _is_edited_together(access.library)}


def _is_edited_together(library: Library) -> bool:
    return settings.COEDITING and (library.owner_collab is None or library.owner_collab.coediting)


def lasting_path(library: Library, inside: str) -> str:
    """The path below `~/drive` that leads everybody who may read the library to it (`lab.locations.paths.find`)."""
    if library.owner_collab_id:
        folder = Folder.GROUPS
    elif library.shared_name:
        folder = Folder.ALL if library.is_public else Folder.PEOPLE
    else:
        folder = Folder.MINE
    name = library.name if folder == Folder.MINE else library.shared_name
    return f"{folder}/{name}/{inside}"


def reach(library: Library) -> str:
    """Sentence that says for whom the link works."""
    if library.is_public:
        return gettext(
            "It works for everybody with an account. People who cannot change the notebook are offered their own copy."
        )
    if library.owner_collab_id:
        return gettext("It works for the team of this Collab. To let everybody use it, make the Collab public.")
    if library.shared_name:
        return gettext(
            "It works for the people whom the library is shared with. To let everybody use it, make the library public."
        )
    return gettext(
        "It works only for you, because nobody else has this library. To let others use it, share it or make it public."
    )
