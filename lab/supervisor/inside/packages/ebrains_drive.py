"""The client of the EBRAINS Drive, if somebody has installed it: here it finds this site's Drive and a token by itself.

    import ebrains_drive
    client = ebrains_drive.connect()

    from clb_nb_utils import oauth
    client = ebrains_drive.DriveApiClient(token=oauth.get_token())

This directory comes before installed packages (PYTHONPATH), so it must not stand in the way of the real one, whose code
stays as it is. A client that is given other credentials asks the server that it always asked: what belongs to another
site is not sent here, and a Lab's token not elsewhere.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

INSTEAD = (
    "ebrains_drive, the client of the EBRAINS Drive, is not installed: pip install ebrains-drive. Here it finds"
    " this site's Drive, and needs no password. The files are here as they are, too: ~/drive has all libraries, and"
    " ~/drive/Shared with groups/<title> those of your Collabs. And there is the API: from collaboratory import api."
)


def in_this_lab(client_class: Any) -> Any:
    """The client's class, for which this site's Drive is where it was `https://drive.ebrains.eu`."""
    from collaboratory import portal_token  # type: ignore[import-not-found]  # beside this file
    from portal_socket import ADDRESS, PortalAdapter  # type: ignore[import-not-found]

    def is_of_lab(token: Any) -> bool:
        return isinstance(token, str) and token.startswith("lab_")

    class DriveApiClient(client_class):
        """The installed one. Without credentials, or with a token of the Lab, it is a client of this site."""

        def __init__(self, username: Any = None, password: Any = None, token: Any = None, *more: Any, **named: Any):
            if username is None and password is None and token is None:
                token = portal_token()
            super().__init__(username, password, token, *more, **named)
            if is_of_lab(token):
                self.server = self.drive_url = ADDRESS
                self.session.mount(ADDRESS, PortalAdapter())

        @property
        def _token(self) -> Any:
            """As it was given; that of a Lab as it is now, for a client may live longer than a token."""
            return portal_token() if is_of_lab(self._given_token) else self._given_token

        @_token.setter
        def _token(self, token: Any) -> None:
            self._given_token = token

    return DriveApiClient


def _adapt(package: ModuleType) -> None:
    client = getattr(package, "client", None)
    if hasattr(client, "DriveApiClient") and hasattr(package, "DriveApiClient"):
        client.DriveApiClient = package.DriveApiClient = in_this_lab(package.DriveApiClient)  # type: ignore[union-attr, attr-defined]


_here = str(Path(__file__).parent)
_installed = PathFinder.find_spec(__name__, [path for path in sys.path if path != _here])
if _installed is None or _installed.loader is None:
    raise ModuleNotFoundError(INSTEAD, name=__name__)
_real = sys.modules[__name__] = module_from_spec(_installed)
_installed.loader.exec_module(_real)
_adapt(_real)
