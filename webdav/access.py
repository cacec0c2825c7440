"""Who asks: a token, as Bearer, Token or the password of Basic. No cookie counts here: other sites could use it."""

from django.http import HttpRequest

from api.access import Asker, AuthenticationError, read_own_token

SIGN_IN = "Sign in with a personal access token as the password. Make one at /account/connect/."


def identify(request: HttpRequest) -> Asker:
    """The asker; raises AuthenticationError (401) or RateLimitError (429)."""
    given = read_own_token(request)
    if given is None or (given.token is None and given.refusal is None):
        raise AuthenticationError(SIGN_IN)
    if given.refusal:
        raise given.refusal
    assert given.token
    return Asker(given.token)
