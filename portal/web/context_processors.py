"""What every template may ask for."""

from django.conf import settings
from django.http import HttpRequest

from portal.ops import logs

SECTIONS = ("collabs", "drive", "lab")


def site(request: HttpRequest) -> dict[str, object]:
    """The site's part that the page belongs to, for the header; the site's name and address; the request's number."""
    first = request.path.split("/")[1] if "/" in request.path else ""
    return {
        "section": first if first in SECTIONS else "",
        "site_name": settings.SITE_NAME,
        "portal_url": settings.PORTAL_URL,
        "request_id": logs.request_id(),
        "providers": settings.OIDC_PROVIDERS,
        "signup": settings.SIGNUP,
    }
