"""Who asks: a token, as Bearer, Token or the password of Basic. No cookie counts here: other sites could use it."""

from dataclasses import dataclass

from django.http import HttpRequest

from api.access import AuthenticationError, LabToken, OpenIdToken, read_own_token
from api.models import Scope, Token
from portal.access import ForbiddenError
from portal.models import User

SIGN_IN = "Sign in with a personal access token as the password. Make one at /account/connect/."


@dataclass(frozen=True)
class Asker:
    """The person and the token of a request."""

    token: Token | LabToken

    @property
    def user(self) -> User:
        """The token's person."""
        return self.token.user

    def require(self, scope: Scope) -> None:
        """Raise ForbiddenError if the token does not include this scope."""
        if not self.token.allows(scope):
            raise ForbiddenError(f"This requires a token with the scope “{scope.value}”.")


def identify(request: HttpRequest) -> Asker:
    """The asker; raises AuthenticationError (401) or RateLimitError (429)."""
    given = read_own_token(request)
    if given is None or (given.token is None and given.refusal is None):
        raise AuthenticationError(SIGN_IN)
    if given.refusal:
        raise given.refusal
    assert given.token
    assert not isinstance(given.token, OpenIdToken)
    return Asker(given.token)
