"""Template context of all pages."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from portal import institution
from portal.ops import logs
from portal.version import VERSION

SECTIONS = ("collabs", "drive", "lab")


def site(request: HttpRequest) -> dict[str, object]:
    """Section of the page for the header, the site, its version and languages, id of the request, sign-in options."""
    first = request.path.split("/")[1] if "/" in request.path else ""
    return {
        "section": first if first in SECTIONS else "",
        "site_name": settings.SITE_NAME,
        "site_version": VERSION,
        "portal_url": settings.PORTAL_URL,
        "request_id": logs.request_id(),
        "providers": [*settings.OIDC_PROVIDERS, *settings.SAML_PROVIDERS],
        "signup": settings.SIGNUP,
        "language": get_language(),
        "logo": institution.logo_address(),
        "colours": f"{reverse('institution_colours')}?v={settings.SITE_COLOUR[1:]}" if settings.SITE_COLOUR else "",
        "documents": institution.documents(),
        "languages": settings.LANGUAGES if len(settings.LANGUAGES) > 1 else [],
    }
