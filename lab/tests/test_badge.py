"""The link and the badge on the page of a notebook."""

from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client

from collabs.models import Collab
from drive.files import operations
from drive.libraries import services
from drive.libraries.public_links import make_link, token
from drive.models import Library, Permission
from lab.templatetags.lab_badge import lasting_path, reach
from portal.models import User

pytestmark = pytest.mark.django_db

LINK = "http://localhost:8000/lab/open?path=Shared+with+groups%2FOpen+Cortex%2Ffirst+%282%29.ipynb"


@pytest.fixture
def notebook(public_collab: Collab, owner: User) -> Library:
    operations.write(owner, public_collab.library, "first (2).ipynb", b"{}")
    operations.write(owner, public_collab.library, "a.txt", b"x")
    return public_collab.library


def test_a_notebooks_page_has_link_and_badge(
    notebook: Library, stranger: User, sign_in: Callable[[User], Client]
) -> None:
    text = unescape(sign_in(stranger).get(f"/drive/{notebook.pk}/first%20(2).ipynb").content.decode())
    badge = "http://localhost:8000/static/img/open-in-lab.svg"
    assert f'value="{LINK}"' in text
    assert f'value="[![Open in Lab]({badge})]({LINK})"' in text
    assert "It works for everybody with an account." in text


def test_other_files_have_none(notebook: Library, owner: User, sign_in: Callable[[User], Client]) -> None:
    assert b"Badge in Markdown" not in sign_in(owner).get(f"/drive/{notebook.pk}/a.txt").content


def test_visitors_with_a_link_learn_nothing_of_the_library(owner: User) -> None:
    library = services.create_library(owner, "Secret name")
    operations.write(owner, library, "a.ipynb", b"{}")
    answer = Client().get(f"/l/{token(make_link(owner, library, 'a.ipynb'))}/", follow=True)
    assert answer.status_code == 200
    assert b"Badge in Markdown" not in answer.content


def test_the_badge_leads_the_signed_out_back_after_the_sign_in(notebook: Library) -> None:
    answer = Client().get(LINK.removeprefix("http://localhost:8000"))
    assert answer["Location"].startswith("/account/login/?next=/lab/open%3Fpath%3DShared%2Bwith%2Bgroups")


def test_the_path_is_one_that_all_readers_have(collab: Collab, owner: User, stranger: User) -> None:
    assert lasting_path(collab.library, "a.ipynb") == "Shared with groups/Cortex/a.ipynb"
    library = services.create_library(owner, "Scans")
    assert lasting_path(library, "a.ipynb") == "My Libraries/Scans/a.ipynb"
    assert "only for you" in reach(library)
    services.share_with_person(owner, library, stranger, Permission.READ)
    library.refresh_from_db()
    assert lasting_path(library, "a.ipynb") == "Shared with me/Scans/a.ipynb"
    services.set_public(owner, library, True)
    library.refresh_from_db()
    assert lasting_path(library, "a.ipynb") == "Shared with all/Scans/a.ipynb"
