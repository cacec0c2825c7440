"""What every request passes."""

from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

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
        back = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
        return redirect_to_login(back)
