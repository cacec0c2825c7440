"""The proxy's subrequest (auth_request) for rooms on the portal's own origin. A Lab's is `lab.gateway.views.rooms`."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.models import User


@never_cache
@require_GET
def auth(request: HttpRequest) -> HttpResponse:
    """204 with the person and the session, 401 (nobody), 403 (not from a page of the portal).

    A browser sends cookies with a WebSocket that another site opens, and no token against that: `Origin`, which it
    sends with every WebSocket and every request that changes something, must be ours.
    """
    if request.headers.get("Origin") != settings.PORTAL_URL:
        return HttpResponse(status=403)
    if not isinstance(request.user, User):
        return HttpResponse(status=401)
    told = {"X-Rooms-Person": str(request.user.pk), "X-Rooms-Grant": f"session {request.session.session_key}"}
    return HttpResponse(status=204, headers=told)
