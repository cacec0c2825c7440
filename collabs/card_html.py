"""HTML of cards of Collabs. Written in Python: a template takes twenty times as long for each of them."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from portal.addresses import address

from .models import Collab, Role

DESCRIPTION = 140
"""Characters of a description that a card shows."""


def html_of_cards(collabs: Iterable[Collab]) -> SafeString:
    """The list; all that comes from people is escaped. Needs what `cards.cards` adds to the rows."""
    directory = address("collabs:directory")
    return SafeString(f'<ul class="cards">{"".join(_card(collab, directory) for collab in collabs)}</ul>')


def _card(collab: Collab, directory: str) -> str:
    return (
        f'\n  <li class="card"><h3><a href="{escape(collab.get_absolute_url())}">{escape(collab.title)}</a></h3>'
        f'\n    <p class="meta">{escape(_shortened(collab.description)) or gettext("No description yet.")}</p>'
        f"\n    <p>{_badges(collab)}</p>{_tags(collab.tag_names, directory)}</li>"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION else Truncator(text).chars(DESCRIPTION)


def _badges(collab: Collab) -> str:
    shown = [_badge("public", gettext("public")) if collab.is_public else _badge("", gettext("private"))]
    if collab.archived_at:
        shown.append(_badge("archived", gettext("archived")))
    if collab.is_favourite:
        shown.append(f'<span class="badge">★ {gettext("favourite")}</span>')
    if collab.my_role:
        shown.append(_badge(collab.my_role, str(Role(collab.my_role).label)))
    if collab.team_size:
        people = ngettext("%(size)s person", "%(size)s people", collab.team_size) % {"size": collab.team_size}
        shown.append(f'<span class="meta">{people}</span>')
    return "\n      ".join(shown)


def _badge(kind: str, word: str) -> str:
    return f'<span class="badge {kind}">{word}</span>'


def _tags(names: list[str], directory: str) -> str:
    """Links to the Collabs with the same tags."""
    items = (f'<li><a href="{directory}?tag={quote(name, safe="")}">{escape(name)}</a></li>' for name in names)
    return f'\n    <ul class="tags" aria-label="{gettext("Tags")}">{"".join(items)}</ul>' if names else ""
