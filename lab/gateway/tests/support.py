"""A browser before the gateway, as the proxy passes on what it asks."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client

PLACE = "/lab/tree/drive/Shared%20with%20groups/Cortex/a.ipynb"
NAVIGATION = {"Accept": "text/html,*/*", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
OWN_PAGE = {**FETCH, "Sec-Fetch-Site": "same-origin"}


class Browser:
    """One browser, signed in on the portal or not, with a cookie jar per Lab; asks as the proxy would pass it on."""

    def __init__(self, portal: Client) -> None:
        self.portal = portal
        self.labs: dict[str, Client] = {}

    def lab(self, username: str) -> Client:
        return self.labs.setdefault(username, Client())

    def ask(self, username: str, headers: dict[str, str] = OWN_PAGE, method: str = "GET") -> Any:
        told = {"X-Lab-User": username, "X-Original-Method": method, "X-Original-URI": PLACE}
        return self.lab(username).get("/_gateway/auth", headers=headers | told)

    def arrive(self, username: str, place: str = PLACE, headers: dict[str, str] = NAVIGATION, method: str = "GET"):
        told = {"X-Lab-User": username, "X-Original-Method": method, "X-Original-URI": place}
        return self.lab(username).get("/_gateway/arrive", headers=headers | told)

    def follow_to_portal(self, response: Any) -> Any:
        address = urlsplit(response["Location"])
        assert f"{address.scheme}://{address.netloc}" == "http://localhost:8000"
        return self.portal.get(f"{address.path}?{address.query}")

    def redeem(self, username: str, ticket: str) -> Any:
        return self.lab(username).get("/_gateway/lab/enter", {"ticket": ticket}, headers={"X-Lab-User": username})

    def enter(self, username: str, place: str = PLACE) -> Any:
        return self.redeem(username, ticket_in(self.follow_to_portal(self.arrive(username, place))))


def ticket_in(response: Any) -> str:
    address = re.fullmatch(r"0; url=(.*)", response["Refresh"])
    assert address
    return parse_qs(urlsplit(address[1]).query)["ticket"][0]
