"""Main pages, and how they are read."""

from html.parser import HTMLParser

VISITOR = [
    "/",
    "/collabs/",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/no/such/page",
    "/docs/",
]


SIGNED_IN = ["/", "/collabs/", "/collabs/new/", "/drive/", "/lab/", "/account/", "/account/email/"]


COLLAB = ["", "files/", "team/", "settings/"]


class Page(HTMLParser):
    """Notes what the Content Security Policy would refuse."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        data = tag == "script" and names.get("type") == "application/json"
        inline = tag == "style" or (tag == "script" and "src" not in names and not data)
        if inline or "style" in names or any(name.startswith("on") for name in names):
            self.refused.append(self.get_starttag_text() or tag)
