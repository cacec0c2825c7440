"""Sign-in with SAML: allauth's views, with what a provider or a stranger may do wrong told on a page.

python3-saml is installed where SAML_PROVIDERS is set; portal.urls imports this there alone.
"""

import functools
import logging
import zlib
from collections.abc import Callable
from typing import Any

from allauth.core.internal import httpkit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.saml import utils, views
from allauth.socialaccount.providers.saml.provider import SAMLProvider
from allauth.socialaccount.sessions import LoginSession
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from lxml.etree import LxmlError
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request

from portal import hooks
from portal.models import Session
from portal.sessions import SessionStore
from portal.web import rate_limits
from portal.web.redirects import redirect_off_site

from . import saml_metadata
from .provider_adapter import SAML_SUBJECT

log = logging.getLogger(__name__)

ANSWER_BYTES = 256 * 1024
"""Of an answer of a provider, which is kept until the browser has come to the next page."""
ANSWER_SECONDS = 300
ANSWERS_PER_MINUTE = 300
"""From one network: a whole institute may have one address."""
ANSWERS_OF_ALL_PER_MINUTE = 900
"""Anybody may post one. What is kept of them is less than this for five minutes, about a gigabyte."""
KEPT_META = ("HTTP_HOST", "PATH_INFO", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "HTTP_X_FORWARDED_PROTO")
"""Of the request with an answer: what says at which address it came."""
WRONG = (
    OSError,
    ValueError,
    ImproperlyConfigured,
    OneLogin_Saml2_Error,
    OneLogin_Saml2_ValidationError,
    LxmlError,
    PermissionDenied,
    zlib.error,
)
"""No metadata, or none that is any; an answer that is no SAML, or names nobody, or to what this browser never asked."""

View = Callable[[HttpRequest, str], HttpResponse]
utils.fetch_metadata_url_config = saml_metadata.fetch  # allauth's asks anew at each request while there is no answer


class Provider(SAMLProvider):
    """allauth's, which tells the session whom the identity provider signed in, for when it signs them out."""

    _subject: dict[str, Any]

    def sociallogin_from_response(self, request: HttpRequest, response: Any) -> SocialLogin:
        """PermissionDenied where a subject that is not persistent would be a person's identity."""
        wanted = self.app.settings["advanced"].get("name_id_format")
        if wanted and response.get_nameid_format() != wanted:
            raise PermissionDenied(f"the subject's format is {response.get_nameid_format()}, not {wanted}")
        self._subject = {
            "provider": self.app.provider_id,
            "name_id": response.get_nameid(),
            "session_index": response.get_session_index(),
        }
        return super().sociallogin_from_response(request, response)

    def unstash_redirect_state(self, request: HttpRequest, state_id: str) -> dict[str, Any]:
        return {**super().unstash_redirect_state(request, state_id), SAML_SUBJECT: self._subject}


class Finish(views.FinishACSView):
    """allauth's, with our provider."""

    def get_provider(self, organization_slug: str) -> Provider:
        return Provider(self.request, app=self.get_app(organization_slug))


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


def come_back(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Take a provider's answer, which a form of theirs posts without our cookies; the next page reads it."""
    if len(request.body) > ANSWER_BYTES or not request.POST.get("SAMLResponse"):
        return HttpResponseBadRequest("This is no answer of an identity provider.", content_type="text/plain")
    if not rate_limits.allowed("saml", rate_limits.address(request), ANSWERS_PER_MINUTE, 60):
        return HttpResponse("Too many sign-ins from your network.", content_type="text/plain", status=429)
    if not rate_limits.allowed("saml", "all", ANSWERS_OF_ALL_PER_MINUTE, 60) or any(hooks.collect("disk_is_short")):
        return HttpResponse("Please try again in a minute.", content_type="text/plain", status=503)
    Session.objects.filter(user=None, expire_date__lt=timezone.now()).delete()
    response = HttpResponseRedirect(reverse("saml_finish_acs", args=[organization_slug]))
    store = SessionStore()
    store["request"] = httpkit.serialize_request(_answer_in(request))
    store.set_expiry(ANSWER_SECONDS)
    request.saml_acs_session = store  # type: ignore[attr-defined]  # where LoginSession looks before it makes one
    LoginSession(request, "saml_acs_session", "saml-acs-session").save(response)
    return response


def _answer_in(request: HttpRequest) -> HttpRequest:
    """The request with nothing but the provider's answer, and the address at which it came."""
    bare = HttpRequest()
    bare.method, bare.path, bare.path_info = request.method, request.path, request.path_info
    bare.META = {name: request.META[name] for name in KEPT_META if name in request.META}
    posted = QueryDict(mutable=True)
    for name in ("SAMLResponse", "RelayState"):
        if name in request.POST:
            posted[name] = request.POST[name]
    bare.POST = posted  # type: ignore[assignment]  # as if it could not be changed
    bare._get_scheme = lambda: str(request.scheme)  # type: ignore[attr-defined]
    return bare


def sign_out(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Sign out because the provider says so, of this very person, once. Without its signature anybody's link could."""
    asked = request.GET.get("SAMLRequest")
    if not asked or not request.GET.get("Signature") or "SAMLResponse" in request.GET:
        return HttpResponseBadRequest("A sign-out needs the provider's signature.", content_type="text/plain")
    key = utils.get_app_or_404(request, organization_slug).settings["advanced"].get("private_key")
    wanted = OneLogin_Saml2_Logout_Request(None, asked)
    used = f"saml-sign-out:{organization_slug}:{wanted.id}"
    if cache.get(used) or not _is_of(request, organization_slug, wanted.get_xml(), key):
        return HttpResponseBadRequest("This sign-out is not for your session.", content_type="text/plain")
    response: HttpResponse = views.sls(request, organization_slug=organization_slug)
    if isinstance(response, HttpResponseRedirect):  # it was the provider's
        cache.set(used, 1, settings.SESSION_COOKIE_AGE)
    return response


def _is_of(request: HttpRequest, provider: str, wanted: str, key: str | None) -> bool:
    """True if what the provider wants to end is the session of this browser, or this browser has none."""
    if not request.user.is_authenticated:
        return True
    subject = request.session.get(SAML_SUBJECT, {})
    indexes = OneLogin_Saml2_Logout_Request.get_session_indexes(wanted)
    return bool(
        subject.get("provider") == provider
        and subject.get("name_id") == OneLogin_Saml2_Logout_Request.get_nameid(wanted, key)
        and (not indexes or not subject.get("session_index") or subject["session_index"] in indexes)
    )


urlpatterns = [
    path("login/", _told(leave), name="saml_login"),
    path("acs/", csrf_exempt(require_POST(_told(come_back))), name="saml_acs"),
    path("acs/finish/", require_GET(_told(Finish.as_view())), name="saml_finish_acs"),
    path("sls/", require_GET(_told(sign_out)), name="saml_sls"),
    path("metadata/", require_GET(_told(views.metadata)), name="saml_metadata"),
]
