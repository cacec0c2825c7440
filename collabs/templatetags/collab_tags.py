"""What other pages show of Collabs."""

from django import template

from collabs.invitations import waiting_for
from collabs.models import Collab, Invitation

register = template.Library()
SHOWN = 6


@register.simple_tag
def latest_public_collabs() -> list[Collab]:
    """For visitors."""
    return list(Collab.objects.filter(is_public=True).with_team_size().order_by("-created_at")[:SHOWN])


@register.simple_tag(takes_context=True)
def my_invitations(context: template.Context) -> list[Invitation]:
    """What waits for the person's answer."""
    return list(waiting_for(context["request"].user)[:SHOWN])


@register.simple_tag(takes_context=True)
def my_collabs(context: template.Context) -> list[Collab]:
    """The person's Collabs, newest first."""
    user = context["request"].user
    mine = Collab.objects.of_member(user).with_role_of(user).with_team_size()
    return list(mine.order_by("-created_at")[:SHOWN])
