"""`clb_nb_utils.oauth.get_token()`, as notebooks of the EBRAINS Lab call it. Needs nothing but Python.

import requests
from clb_nb_utils import oauth
headers = {"Authorization": f"Bearer {oauth.get_token()}"}
requests.get("https://<this site>/rest/v1/collabs", headers=headers)
"""

from collaboratory import portal_token  # type: ignore[import-not-found]  # beside this package

__all__ = ["get_token"]


def get_token() -> str:
    """A token for the API of this portal, and of no other service, as the person whose Lab this is.

    It is the Lab's own (collaboratory.portal_token): good while the Lab runs, and for an hour at most.
    """
    return portal_token()
