"""The language of pages: middleware, and the switch in each page's foot."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import languages
from portal.models import User

from .delivery import is_page


class LanguageMiddleware:
    """Answer each request in its language (`portal.languages`), and say on what of the request that depends.

    The language is the request's alone: the thread has its earlier one again afterwards. Errors are made within, by
    Django's innermost handler, so their pages have the language too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with translation.override(languages.of_request(request)):
            response = self.get_response(request)
        if is_page(response):
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Choose the language of pages: for the account if signed in, and for this browser. Back to the page (`back`)."""
    language = languages.offered(request.POST.get("language", ""))
    if not language:
        return HttpResponseBadRequest(gettext("This site has no such language."), content_type="text/plain")
    if request.user.is_authenticated:
        User.objects.filter(pk=request.user.pk).update(language=language)
    response = redirect(safe_path(request, request.POST.get("back", "")))
    languages.remember(response, language)
    return response


def safe_path(request: HttpRequest, path: str) -> str:
    """The path, if it is one of this site; else that of the start page."""
    safe = url_has_allowed_host_and_scheme(path, {request.get_host()}, require_https=request.is_secure())
    return path if safe and path.startswith("/") else "/"
