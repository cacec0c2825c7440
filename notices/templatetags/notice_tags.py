"""What every page shows of messages."""

from django import template

from notices.models import Notice

register = template.Library()
MOST = 99


@register.simple_tag(takes_context=True)
def unread_notices(context: template.Context) -> int:
    """How many messages wait for the person who is signed in, up to `MOST` and one more."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return 0
    return Notice.objects.unread(request.user)[: MOST + 1].count()
