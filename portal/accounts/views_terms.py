"""Page on which people accept new terms of use."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal import institution
from portal.access import person
from portal.web.language import safe_path

from . import terms


@never_cache
@require_http_methods(["GET", "POST"])
def accept_terms(request: HttpRequest) -> HttpResponse:
    """Accept the terms as they are now; then on to where the person wanted to go."""
    user, version = person(request), institution.terms_version()
    onward = safe_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if not terms.must_accept(user):
        return redirect(onward)
    changed = request.method == "POST" and request.POST.get("version") != version
    if request.method == "POST" and not changed:
        terms.accept(user, version)
        return redirect(onward)
    html, language = institution.document("terms") or ("", settings.LANGUAGE_CODE)
    context = {"html": html, "text_language": language, "version": version, "onward": onward, "changed": changed}
    return render(request, "portal/accept_terms.html", context, status=409 if changed else 200)
