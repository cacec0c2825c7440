"""Cards of Collabs, which Python writes instead of a template: everything that comes from people is escaped."""

import pytest

from collabs import services
from collabs.card_html import DESCRIPTION, html_of_cards
from collabs.cards import cards
from collabs.models import Collab, Role, Tag
from portal.models import User

pytestmark = pytest.mark.django_db
NASTY = "<b>&\"'"


def test_nothing_of_a_collab_becomes_an_element(owner: User) -> None:
    collab = services.create_collab(owner, title=f"T {NASTY}", description=f"D {NASTY}", is_public=True)
    Tag.objects.create(collab=collab, name="a&b c+d")
    html = html_of_cards(cards(owner, [collab.pk]))
    assert "<b>" not in html
    assert "T &lt;b&gt;&amp;&quot;&#x27;" in html
    assert "D &lt;b&gt;&amp;&quot;&#x27;" in html
    assert "?tag=a%26b%20c%2Bd" in html
    assert ">a&amp;b c+d</a>" in html


def test_a_card_says_what_the_person_needs(owner: User, viewer: User, collab: Collab) -> None:
    shown = html_of_cards(cards(owner, [collab.pk]))
    assert "Administrator" in shown
    assert "Viewer" in html_of_cards(cards(viewer, [collab.pk]))
    assert "people" in shown
    Collab.objects.filter(pk=collab.pk).update(description="x" * (DESCRIPTION + 1))
    assert f"{'x' * (DESCRIPTION - 1)}…" in html_of_cards(cards(owner, [collab.pk]))
    Collab.objects.filter(pk=collab.pk).update(description="")
    assert "No description yet." in html_of_cards(cards(owner, [collab.pk]))


def test_the_next_card_knows_of_each_change(owner: User, editor: User, stranger: User, collab: Collab) -> None:
    """Queries are prepared, answers are not kept."""

    def shown(user: User) -> str:
        return html_of_cards(cards(user, [collab.pk]))

    assert "Editor" in shown(editor)
    services.change_role(owner, collab, editor, Role.VIEWER)
    assert "Viewer" in shown(editor)
    services.remove_member(owner, collab, editor)
    assert "Viewer" not in shown(editor)
    services.add_member(owner, collab, stranger, Role.EDITOR)
    assert "Editor" in shown(stranger)
