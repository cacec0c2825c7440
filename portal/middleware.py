"""What every request passes."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from .access import SignInFirst


class SignInFirstMiddleware:
    """Answers `SignInFirst` with the sign-in page, which leads back to the address that was asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn the exception into a redirect; a changing request leads back to the page it came from, not to itself."""
        if not isinstance(exception, SignInFirst):
            return None
        return redirect_to_login(
            request.get_full_path() if request.method in ("GET", "HEAD") else _page_before(request)
        )


def _page_before(request: HttpRequest) -> str:
    """Path of the page of ours that the form was on; the start page when the browser does not say."""
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    parts = urlsplit(referrer)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
