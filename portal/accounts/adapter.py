"""How allauth's account pages behave here."""

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.models import User

from . import oidc_adapter, services


class AccountAdapter(DefaultAccountAdapter):
    """Tells allauth who may sign up, who is asking, and what else a sign-in does."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """As SIGNUP says."""
        return settings.SIGNUP == "open"

    def is_safe_url(self, url: str) -> bool:
        """Whether a form may lead there; what is no address at all, such as `http://[`, is not safe either."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def logout(self, request: HttpRequest) -> None:
        """And what follows when that was the person's last browser."""
        user = User.objects.filter(pk=request.user.pk or 0).first()
        super().logout(request)
        if user:
            services.signed_out(user)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """With the site's own name and address in it, whatever the request says of its Host."""
        site = SimpleNamespace(name=settings.SITE_NAME, domain=urlsplit(settings.PORTAL_URL).netloc)
        ours = {name: _at_home(value) for name, value in context.items()}
        super().send_mail(template_prefix, email, ours | {"current_site": site})

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **more: Any
    ) -> HttpResponse:
        """After the second factor, where there is one."""
        if signal_kwargs and (sociallogin := signal_kwargs.get("sociallogin")):
            oidc_adapter.follow_groups(user, sociallogin)
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **more)
        return response

    def get_client_ip(self, request: HttpRequest) -> str:
        """The browser's address: the peer's, or, over our unix socket, what nginx says it is.

        Only nginx can connect to the socket (which has no peer address), and it overwrites `X-Forwarded-For` with the
        one address that it sees. A request that came over TCP may have forged the header.
        """
        return request.META.get("REMOTE_ADDR") or request.headers.get("X-Forwarded-For") or "local"


def _at_home(value: Any) -> Any:
    """An address that allauth made of the request's Host, at the site's own; anything else as it is."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return value
    parts = urlsplit(value)
    return f"{settings.PORTAL_URL}{parts.path}{'?' if parts.query else ''}{parts.query}"
