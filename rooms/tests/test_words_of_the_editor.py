"""The text editor's page says in its own language what a room tells it in English."""

from django.conf import settings

from rooms.room import saving

EDITOR = settings.BASE_DIR / "frontend/text_editor/words.js"
PAGE = settings.BASE_DIR / "templates/drive/_editor_words.html"


def test_the_page_has_the_sentences_that_rooms_say() -> None:
    for sentence in (saving.NO_SPACE_TEXT, saving.MERGED_TEXT, saving.UNREADABLE_TEXT):
        assert f'"{sentence}"' in EDITOR.read_text()
        assert f'"{sentence}"' in PAGE.read_text()
