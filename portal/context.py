"""What every template may ask for."""

from django.conf import settings
from django.http import HttpRequest

SECTIONS = ("collabs", "drive", "lab")


def site(request: HttpRequest) -> dict[str, object]:
    """The site's part that the page belongs to, for the header; and the site's address."""
    first = request.path.split("/")[1] if "/" in request.path else ""
    return {
        "section": first if first in SECTIONS else "",
        "portal_url": settings.PORTAL_URL,
        "providers": settings.OIDC_PROVIDERS,
        "signup": settings.SIGNUP,
    }
