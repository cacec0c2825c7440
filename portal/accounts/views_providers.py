"""Redirect to an OpenID Connect provider; the callback is allauth's."""

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.openid_connect.views import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from requests import RequestException

from portal.web.redirects import redirect_off_site


@never_cache
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sign in with a provider: GET asks for confirmation, POST redirects."""
    try:
        response: HttpResponse = login(request, provider_id)
    except (RequestException, ValueError, KeyError) as error:  # no answer, or none that describes a provider
        try:
            provider = get_adapter(request).get_provider(request, provider_id)
        except SocialApp.DoesNotExist as missing:
            raise Http404 from missing
        return render_authentication_error(request, provider, exception=error)
    if not isinstance(response, HttpResponseRedirect):
        return response
    return redirect_off_site(request, response.url)
