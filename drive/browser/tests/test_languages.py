"""The Drive's sentences in the language of whoever reads them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from drive.libraries import services
from drive.libraries.naming import TITLE_TAKEN
from drive.models import Library, Permission
from drive.preview import kinds, rendering, sandbox
from drive.preview.tables.reading import Extent
from drive.versions import retention
from notices.models import Notice
from portal.models import User

pytestmark = pytest.mark.django_db
NAME = '<b>100% "quoted" {name} %(name)s.txt'
GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(owner)


def test_names_stand_in_translated_sentences_as_they_are(me: Client, library: Library, place: Path) -> None:
    """Whatever signs of a template, a format or of HTML they hold."""
    (place / NAME).write_text("x")
    for language, said in (("de", "auswählen"), ("fr", "Sélectionner"), ("en", "Select")):
        page = me.get(f"/drive/{library.pk}/", headers={"Accept-Language": language}).text
        assert said in page
        assert "&lt;b&gt;100% &quot;quoted&quot; {name} %(name)s.txt" in page
        assert "<b>100%" not in page
    moved = {"do": "delete", "name": NAME}
    page = me.post(f"/drive/{library.pk}/", moved, headers=GERMAN, follow=True).text
    assert "wurde in den Papierkorb der Bibliothek verschoben." in page
    assert "<b>100%" not in page


def test_a_notice_is_in_the_language_of_whom_it_is_for(owner: User, viewer: User, editor: User) -> None:
    viewer.language, editor.language = "fr", "de"
    viewer.save()
    editor.save()
    library = services.create_library(owner, "Data {x} %s")
    for person in (viewer, editor):
        services.share_with_person(owner, library, person, Permission.READ)
    said = {notice.user: (notice.subject, notice.text) for notice in Notice.objects.all()}
    name = owner.display_name
    assert said[viewer] == (f"{name} partage « Data {{x}} %s » avec vous", "Vous pouvez la lire.")
    assert said[editor] == (f"{name} teilt „Data {{x}} %s“ mit Ihnen", "Sie können sie lesen.")


def test_why_nothing_was_rendered_is_kept_for_readers_of_every_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **options: object) -> bytes:
        raise sandbox.RenderFailedError("Rendering takes too long.")

    monkeypatch.setattr(sandbox, "render", fails)
    with translation.override("de"):
        key = rendering.make(BytesIO(b"{}"), "a.ipynb")
        assert rendering.state(key).why == "Das Darstellen dauert zu lange."
    assert rendering.state(key).why == "Rendering takes too long."


def test_what_is_told_by_a_sentence_is_told_by_the_same_one(me: Client, collab: object) -> None:
    """The API knows by its sentence that a name is taken: it must not be in the language of the site."""
    assert str(TITLE_TAKEN) == TITLE_TAKEN
    assert type(TITLE_TAKEN) is str


def test_numbers_are_grouped_as_the_language_does() -> None:
    extent = Extent(rows=123_456, columns=2, shown=2_000)
    assert extent.notes() == ["The first 2,000 of 123,456 rows are shown."]
    with translation.override("de"):
        assert extent.notes() == ["Die ersten 2.000 von 123.456 Zeilen werden gezeigt."]


def test_rules_of_retention_are_sentences(settings: object) -> None:
    settings.VERSION_KEEP = ["1d:all", "7d:1h", "30d:1d"]  # type: ignore[attr-defined]
    assert retention.in_words()[0] == "up to 24 hours: every version"
    with translation.override("de"):
        assert retention.in_words()[1] == "bis 7 Tage: die letzte jeder Stunde von jeder Person"


def test_previews_say_what_a_file_is() -> None:
    with translation.override("fr"):
        found = kinds.of_file(BytesIO(b"PK\x03\x04\0\0"), "a.bin", 6, "/", "")
    assert (found.kind, found.why) == ("nothing", "C’est une archive ZIP, ou un document qui en utilise une.")
    assert type(found.why) is str
