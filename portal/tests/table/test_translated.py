"""No page falls back to English in the middle: each sentence that people read is one of a catalogue.

The pages of the table are asked for in each language, whose catalogue puts each translation in brackets for the walk.
What stands outside of brackets, and is no name that somebody gave, was never to be translated.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.utils.translation import trans_real

from drive.browser import folder_rows
from drive.folders import Folder

from .people import World
from .requests import ask, complain
from .table import Row, all_rows

pytestmark = pytest.mark.django_db
OPEN, SHUT = "⟦", "⟧"
ENGLISH = (
    "/admin/",
    "/api/",
    "/api2/",
    "/rest/",
    "/dav",
    "/seafhttp/",
    "/identity/",
    "/bin/",
    "/drive/diagrams/",
    "/metrics",
    "/readyz",
    "/docs/",
)
"""Pages of operators, documentation, and answers for programs."""
READ = ("aria-label", "title", "placeholder", "alt", "data-confirm")
VERBATIM = ("script", "style", "pre", "code", "textarea")
"""Elements that hold what programs read, or what somebody wrote."""
VOID = "area base br col embed hr img input link meta source track wbr".split()
KINDS = ("administrator", "viewer", "stranger", "anonymous")
SAME = (
    "Collaboratory",
    *(name for _, name in settings.LANGUAGES),
    *(str(folder) for folder in Folder),
    *"Collabs Collab Drive JupyterLab Jupyter Lab README Markdown WebDAV Seafile seafile GitHub ORCID API JSON".split(),
    *"rclone curl cadaver davfs2 ebrains-drive Linux Windows Explorer macOS Finder GNOME Files".split(),
    "rclone for Seafile",
    *"Ctrl Esc Enter Tab Shift Alt".split(),
    *("GiB", "MiB"),
    "Name",  # the same in German; the form of a security key has no other label
)
"""Names of places, programs and keys."""
GIVEN = (
    *("Olga Owner", "Emil Editor", "Vera Viewer", "Olaf Operator", "Open Cortex", "My Library", "first look"),
    *"Visited Homework sent Cortex Institute Inner Outer Gone Own Deleted Base Hub Script Mine Key New base".split(),
    *"read owner editor viewer stranger operator asker ingroup gone cortex open-cortex institute".split(),
    *("For everybody.", "Please.", "Closed on Monday.", "You are administrator", "New disks.", "It failed."),
    *("https://example.org/a/course", "course", "newer", "example.org", "localhost"),
)
"""What the world of the table calls itself and wrote."""
STORED = (
    r"You are signed in as \w+\.",
    r"\w+ asks to join|invites you to|added you to .* as viewer|shares .* with you",
    r"Accept or decline it on your home page\.|You can read it\.",
)
"""Messages that were written in English when the world was made."""
ENDS = r"[\w.@-]+\.\w{2,5}\b", r"[A-Z2-7]{32}", r"[0-9a-f]{8}…"
"""Names of files and hosts; keys of second factors; what a token begins with."""
DATA = re.compile("|".join([*STORED, *map(re.escape, sorted((*SAME, *GIVEN), key=len, reverse=True)), *ENDS]))
WORD = re.compile(r"[A-Za-z]{3,}")


class Untranslated(HTMLParser):
    """Texts and attributes of a page that stand outside of brackets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth, self.verbatim, self.found = 0, [], []  # type: int, list[str], list[str]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self.verbatim:
            buttons = ["value"] if tag == "input" and given.get("type") in ("submit", "button") else []
            for name in (*READ, *buttons):
                self.found += outside(given.get(name) or "", 0)[0]
        own = tag in VERBATIM or (given.get("lang") == "en" and tag not in ("html", "button"))
        own = own or "prose" in (given.get("class") or "").split() or tag == "iframe"
        if (own or self.verbatim) and tag not in VOID:
            self.verbatim.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.verbatim:
            while self.verbatim.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.verbatim:
            texts, self.depth = outside(data, self.depth)
            self.found += texts


def outside(text: str, depth: int) -> tuple[list[str], int]:
    """Pieces outside of brackets that have words, and how deep in brackets the end is."""
    pieces, piece = [], ""
    for character in text:
        if character in (OPEN, SHUT):
            pieces.append(piece)
            piece, depth = "", depth + (1 if character == OPEN else -1)
        elif not depth:
            piece += character
    return [" ".join(each.split()) for each in (*pieces, piece) if WORD.search(DATA.sub("", each))], depth


@pytest.fixture(params=["de", "fr"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A language, whose sentences are in brackets."""
    for name in ("gettext", "ngettext"):
        plain = getattr(trans_real.DjangoTranslation, name)

        def marked(self: trans_real.DjangoTranslation, *given: object, plain: object = plain) -> str:
            text: str = plain(self, *given)  # type: ignore[operator]
            return f"{OPEN}{text}{SHUT}" if self.language() == request.param and text else text

        monkeypatch.setattr(trans_real.DjangoTranslation, name, marked)
    folder_rows._words_in.cache_clear()  # a process keeps them: those of another test, and ours for the next
    with override_settings(USE_THOUSAND_SEPARATOR=False):
        yield request.param
    folder_rows._words_in.cache_clear()


@pytest.mark.slow
def test_it_says_nothing_in_english_on_a_page_in_another_language(world: World, language: str) -> None:
    wrong: dict[str, str] = {}
    for row in all_rows():
        if row.address.startswith(ENGLISH):
            continue
        for kind in KINDS:
            for text in untranslated(row, world, kind, language):
                wrong.setdefault(text, f"{row} ({kind}): {text}")
    complain(sorted(wrong.values()))


def untranslated(row: Row, world: World, kind: str, language: str) -> list[str]:
    browser = world.browser(kind)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    answer: HttpResponseBase = ask(row, world, browser)
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return []
    return Untranslated(b"".join(answer).decode()).found
