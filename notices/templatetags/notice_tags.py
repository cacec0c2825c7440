"""Template tag: number of unread notices, for the header."""

from django import template

from notices.models import Notice

register = template.Library()
MOST = 99


@register.simple_tag(takes_context=True)
def unread_notices(context: template.Context) -> int:
    """Number of unread notices of the signed-in person, at most `MOST` + 1."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return 0
    return Notice.objects.unread(request.user)[: MOST + 1].count()
