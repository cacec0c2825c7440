"""Collabs and invitations for other apps' pages."""

from collections.abc import Iterable

from django import template
from django.utils.safestring import SafeString

from collabs.card_html import html_of_cards
from collabs.cards import Mine, at_home, cards
from collabs.invitations import first_waiting
from collabs.models import Collab, Invitation, Role

register = template.Library()
SHOWN = 6


@register.simple_tag(takes_context=True)
def latest_public_collabs(context: template.Context) -> list[Collab]:
    """The newest public Collabs, for visitors."""
    newest = Collab.objects.current().filter(is_public=True).order_by("-created_at").values_list("pk", flat=True)
    return cards(context["request"].user, newest[:SHOWN])


@register.filter
def role_noun(role: str) -> str:
    """The role within a sentence: “as editor”."""
    return Role(role).noun


@register.simple_tag
def collab_cards(collabs: Iterable[Collab]) -> SafeString:
    """The list of these Collabs, as `cards` or `at_home` describes them."""
    return html_of_cards(collabs)


@register.simple_tag(takes_context=True)
def my_invitations(context: template.Context) -> list[Invitation]:
    """Invitations that wait for the person's answer."""
    return first_waiting(context["request"].user)


@register.simple_tag(takes_context=True)
def my_collabs(context: template.Context) -> Mine:
    """The person's favourites, and their newest Collabs."""
    return at_home(context["request"].user)
