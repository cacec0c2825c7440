"""Sign-in with SAML: allauth's views, with what a provider or a stranger may do wrong told on a page.

python3-saml is installed where SAML_PROVIDERS is set; portal.urls imports this there alone.
"""

import functools
import logging
from collections.abc import Callable

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.saml import views
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from lxml.etree import LxmlError
from onelogin.saml2.errors import OneLogin_Saml2_Error

from portal.web import rate_limits
from portal.web.redirects import redirect_off_site

log = logging.getLogger(__name__)

ANSWER_BYTES = 512 * 1024
"""Of an answer of a provider, which is kept until the browser has come to the next page."""
ANSWERS_PER_MINUTE = 300
"""From one network: a whole institute may have one address."""
WRONG = (OSError, ValueError, ImproperlyConfigured, OneLogin_Saml2_Error, LxmlError, PermissionDenied)
"""No metadata, or none that is any; an answer that is no SAML, or names nobody, or to what this browser never asked."""

View = Callable[[HttpRequest, str], HttpResponse]


def _told(view: View) -> View:
    """The view; what it raises is logged, and the page of a sign-in that failed is shown."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, organization_slug: str) -> HttpResponse:
        try:
            provider = get_adapter(request).get_provider(request, organization_slug)
        except SocialApp.DoesNotExist as missing:
            raise Http404 from missing
        try:
            return view(request, organization_slug)
        except WRONG as error:
            return render_authentication_error(request, provider, exception=error)

    return never_cache(wrapped)


def leave(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Sign in with a provider: GET asks for confirmation, POST redirects."""
    response: HttpResponse = views.login(request, organization_slug=organization_slug)
    return redirect_off_site(request, response.url) if isinstance(response, HttpResponseRedirect) else response


@functools.wraps(views.acs)  # csrf_exempt
def come_back(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Take a provider's answer, which a form of theirs posts without our cookies; the next page reads it."""
    if len(request.body) > ANSWER_BYTES or not request.POST.get("SAMLResponse"):
        return HttpResponseBadRequest("This is no answer of an identity provider.", content_type="text/plain")
    if not rate_limits.allowed("saml", rate_limits.address(request), ANSWERS_PER_MINUTE, 60):
        return HttpResponse("Too many sign-ins from your network.", content_type="text/plain", status=429)
    response: HttpResponse = views.acs(request, organization_slug=organization_slug)
    return response


def sign_out(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Sign out because the provider says so. Without a signature anybody's link could."""
    if not request.GET.get("Signature"):
        return HttpResponseBadRequest("A sign-out needs the provider's signature.", content_type="text/plain")
    response: HttpResponse = views.sls(request, organization_slug=organization_slug)
    return response


urlpatterns = [
    path("login/", _told(leave), name="saml_login"),
    path("acs/", require_POST(_told(come_back)), name="saml_acs"),
    path("acs/finish/", require_GET(_told(views.finish_acs)), name="saml_finish_acs"),
    path("sls/", require_GET(_told(sign_out)), name="saml_sls"),
    path("metadata/", require_GET(_told(views.metadata)), name="saml_metadata"),
]
