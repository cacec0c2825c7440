"""Collabs and invitations for other apps' pages."""

from django import template

from collabs.cards import Mine, at_home, cards
from collabs.invitations import waiting_for
from collabs.models import Collab, Invitation

register = template.Library()
SHOWN = 6


@register.simple_tag(takes_context=True)
def latest_public_collabs(context: template.Context) -> list[Collab]:
    """The newest public Collabs, for visitors."""
    newest = Collab.objects.current().filter(is_public=True).order_by("-created_at").values_list("pk", flat=True)
    return cards(context["request"].user, newest[:SHOWN])


@register.simple_tag(takes_context=True)
def my_invitations(context: template.Context) -> list[Invitation]:
    """Invitations that wait for the person's answer."""
    return list(waiting_for(context["request"].user)[:SHOWN])


@register.simple_tag(takes_context=True)
def my_collabs(context: template.Context) -> Mine:
    """The person's favourites, and their newest Collabs."""
    return at_home(context["request"].user)
