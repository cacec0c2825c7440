"""How allauth's account pages behave here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Tells allauth's rate limits who is asking."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The browser's address: the peer's, or, over our unix socket, what nginx says it is.

        Only nginx can connect to the socket (which has no peer address), and it overwrites `X-Forwarded-For` with the
        one address that it sees. A request that came over TCP may have forged the header.
        """
        return request.META.get("REMOTE_ADDR") or request.headers.get("X-Forwarded-For") or "local"
