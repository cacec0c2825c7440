"""HTML of cards of Collabs. Written in Python: a template takes twenty times as long for each of them."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from .models import Collab

DESCRIPTION = 140
"""Characters of a description that a card shows."""


def html_of_cards(collabs: Iterable[Collab]) -> SafeString:
    """The list; all that comes from people is escaped. Needs what `cards.cards` adds to the rows."""
    directory = reverse("collabs:directory")
    return SafeString(f'<ul class="cards">{"".join(_card(collab, directory) for collab in collabs)}</ul>')


def _card(collab: Collab, directory: str) -> str:
    return (
        f'\n  <li class="card"><h3><a href="{escape(collab.get_absolute_url())}">{escape(collab.title)}</a></h3>'
        f'\n    <p class="meta">{escape(_shortened(collab.description)) or "No description yet."}</p>'
        f"\n    <p>{_badges(collab)}</p>{_tags(collab.tag_names, directory)}</li>"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION else Truncator(text).chars(DESCRIPTION)


def _badges(collab: Collab) -> str:
    shown = ['<span class="badge public">public</span>' if collab.is_public else '<span class="badge ">private</span>']
    if collab.archived_at:
        shown.append('<span class="badge archived">archived</span>')
    if collab.is_favourite:
        shown.append('<span class="badge">★ favourite</span>')
    if collab.my_role:
        shown.append(f'<span class="badge {collab.my_role}">{collab.my_role.title()}</span>')
    if collab.team_size:
        shown.append(f'<span class="meta">{collab.team_size} {"person" if collab.team_size == 1 else "people"}</span>')
    return "\n      ".join(shown)


def _tags(names: list[str], directory: str) -> str:
    """Links to the Collabs with the same tags."""
    items = (f'<li><a href="{directory}?tag={quote(name, safe="")}">{escape(name)}</a></li>' for name in names)
    return f'\n    <ul class="tags" aria-label="Tags">{"".join(items)}</ul>' if names else ""
