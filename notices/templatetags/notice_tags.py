"""Template tag: number of unread notices, for the header."""

from django import template
from django.db.models import QuerySet

from notices.models import Notice
from portal.models import User
from portal.prepared_queries import prepared

register = template.Library()
MOST = 99


@register.simple_tag(takes_context=True)
def unread_notices(context: template.Context) -> int:
    """Number of unread notices of the signed-in person, at most `MOST` + 1."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return 0
    return len(_unread(user=request.user.pk))


@prepared
def _unread(user: int) -> QuerySet:
    return Notice.objects.unread(User(pk=user)).order_by().values_list("pk")[: MOST + 1]
