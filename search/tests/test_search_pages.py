"""The page of results and the suggestions: who gets what, escaped, in few queries, and not without end."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.models import Library
from portal.models import User
from search import files, results, views

from .support import follow, found, write

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
PAGE, SUGGEST = "/search/", "/search/suggest/"


@pytest.fixture
def filled(owner: User, library: Library, public_collab: Collab) -> Library:
    """Files that have the word “synapse”: by name and by text, in the private Collab and in the public one."""
    write(owner, library, "synapse private.md", "nothing")
    write(owner, library, "deep/private.ipynb", "a synapse in private")
    write(owner, public_collab.library, "public.md", "a synapse in public")
    collab_services.create_collab(owner, title="Synapse secret")
    collab_services.create_collab(owner, title="Synapse open", is_public=True)
    User.objects.filter(pk=owner.pk).update(last_name="Synapsen")
    follow()
    return library


def ask(client: Client, address: str, q: str, **more: str) -> str:
    response = client.get(address, {"q": q, **more})
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("address", [PAGE, SUGGEST])
def test_a_member_finds_what_members_see(filled: Library, viewer: User, sign_in: SignIn, address: str) -> None:
    page = ask(sign_in(viewer), address, "synapse")
    for shown in ("synapse%20private.md", "deep/private.ipynb", "public.md", "Synapse open", "Synapsen"):
        assert shown in page, shown
    assert "Synapse secret" not in page
    assert "a <mark>synapse</mark> in private" in page


@pytest.mark.parametrize("address", [PAGE, SUGGEST])
def test_a_stranger_finds_what_is_public_and_people(
    filled: Library, stranger: User, sign_in: SignIn, address: str
) -> None:
    page = ask(sign_in(stranger), address, "synapse")
    assert "public.md" in page
    assert "Synapse open" in page
    assert "Synapsen" in page
    assert "private" not in page
    assert "secret" not in page


@pytest.mark.parametrize("address", [PAGE, SUGGEST])
def test_a_visitor_finds_public_collabs_alone(filled: Library, client: Client, address: str) -> None:
    page = ask(client, address, "synapse", kind="text")
    assert "Synapse open" in page
    for hidden in ("public.md", "Synapsen", "private", "secret"):
        assert hidden not in page, hidden


def test_nobody_is_found_by_an_address(owner: User, viewer: User) -> None:
    User.objects.filter(pk=owner.pk).update(email="rarelyused@example.org")
    for words in ("rarelyused", "rarelyused@example.org", "example.org"):
        assert found(viewer, words).people == []


def test_a_person_stands_with_the_collabs_that_one_may_know_of(
    owner: User, viewer: User, stranger: User, editor: User, collab: Collab, public_collab: Collab
) -> None:
    def collabs(asker: User) -> list[str]:
        [one] = found(asker, "emil").people
        return [collab.title for collab in one.collabs]

    assert collabs(viewer) == ["Cortex", "Open Cortex"]
    assert collabs(stranger) == ["Open Cortex"]
    collab_services.archive_collab(owner, public_collab)
    assert collabs(stranger) == []


def test_inactive_people_are_not_found(editor: User, viewer: User) -> None:
    User.objects.filter(pk=editor.pk).update(is_active=False)
    assert found(viewer, "emil").people == []


@pytest.mark.parametrize(
    ("typed", "kind", "what"),
    [
        ("hipocampus", "text", "a.md"), ("hippocmapus", "files", "hippocampus.txt"),
        ("zebarfish", "collabs", "Zebrafish"),
        ("editro", "people", "editor"), ("emli editor", "people", "editor"),
    ],
)  # fmt: skip
def test_it_forgives_typing_errors(
    owner: User, editor: User, library: Library, typed: str, kind: str, what: str
) -> None:
    write(owner, library, "a.md", "a hippocampus")
    write(owner, library, "hippocampus.txt")
    collab_services.create_collab(owner, title="Zebrafish")
    follow()
    results = found(owner, typed)
    assert results.has_typos
    [one, *_] = getattr(results, kind)
    assert what in (getattr(one, "path", ""), getattr(one, "title", ""), getattr(one, "username", ""))


def test_a_typing_error_shows_no_word_of_others(owner: User, stranger: User, library: Library, sign_in: SignIn) -> None:
    write(owner, library, "hippocampus.md", "hippocampus")
    follow()
    page = ask(sign_in(stranger), PAGE, "hipocampus")
    assert "hippocampus" not in page
    assert found(stranger, "hipocampus").has_typos is False


def test_names_and_texts_are_escaped(owner: User, library: Library, sign_in: SignIn) -> None:
    write(owner, library, "<img src=x> word.md", "<script>alert(1)</script> word &amp; <b>")
    collab_services.create_collab(owner, title="Word <i>")
    User.objects.filter(pk=owner.pk).update(first_name="Word<u>")
    follow()
    for address in (PAGE, SUGGEST):
        page = ask(sign_in(owner), address, "word")
        for tag in ("<img src=x", "<script>alert", "<b>", "<i>", "<u>"):
            assert tag not in page, (address, tag)
        assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>word</mark> &amp;amp; &lt;b&gt;" in page
    assert "<em>" not in ask(sign_in(owner), PAGE, "<em>")


@pytest.mark.parametrize("q", ["", "  ", "\0", "…", "%", "'", "a" * 5000, "\ud800".encode("utf-8", "replace").decode()])
@pytest.mark.parametrize("address", [PAGE, SUGGEST])
def test_it_takes_whatever_is_typed(owner: User, library: Library, sign_in: SignIn, address: str, q: str) -> None:
    ask(sign_in(owner), address, q, kind="nothing", page="-1")
    ask(sign_in(owner), address, q, kind="text", page="99999")


def test_the_number_of_queries_does_not_grow(owner: User, library: Library, sign_in: SignIn) -> None:
    client = sign_in(owner)

    def queries(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            ask(client, address, "word")
        return len(captured)

    write(owner, library, "word.md", "word")
    collab_services.create_collab(owner, title="Word 0")
    follow()
    before = [queries(address) for address in (PAGE, SUGGEST)]
    for number in range(1, 9):
        write(owner, library, f"{number}/word{number}.md", "word")
        collab_services.create_collab(owner, title=f"Word {number}")
    follow()
    assert [queries(address) for address in (PAGE, SUGGEST)] == before
    assert before[1] <= 8


def test_it_shows_page_after_page(
    owner: User, library: Library, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    for number in range(5):
        write(owner, library, f"word{number}.md")
    follow()
    shown = [ask(sign_in(owner), PAGE, "word", kind="files", page=str(page)) for page in (1, 2, 3, 4)]
    assert [[n for n in range(5) if f"word{n}.md" in page] for page in shown] == [[3, 4], [1, 2], [0], []]
    assert ["Next" in page for page in shown] == [True, True, False, False]


def test_suggestions_and_pages_have_a_limit(
    owner: User, sign_in: SignIn, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "SEARCHES_PER_MINUTE", 2)
    for browser in (sign_in(owner), client):
        answers = [browser.get(SUGGEST, {"q": "word"}).status_code for _ in range(3)]
        assert answers == [200, 200, 429]
        assert browser.get(PAGE, {"q": "word"}).status_code == 429
        assert browser.get(PAGE).status_code == 200


def test_a_page_counts_as_several_suggestions(owner: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "SEARCHES_PER_MINUTE", results.PAGE_COUNTS)
    client = sign_in(owner)
    assert [client.get(address, {"q": "word"}).status_code for address in (PAGE, SUGGEST)] == [200, 429]


def test_long_files_are_not_read_for_suggestions(
    owner: User, library: Library, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(owner, library, "a.md", "a word, and more of it")
    follow()
    monkeypatch.setattr(files, "FOR_SUGGESTIONS", files.Reading(60, 10))
    page = ask(sign_in(owner), SUGGEST, "word")
    assert "a.md" in page
    assert "<mark>word</mark>" not in page
    write(owner, library, "a.md", "something else, and more of it")
    assert "a.md" not in ask(sign_in(owner), SUGGEST, "word")


def test_people_are_counted_with_all_other_searches_for_people(
    owner: User, editor: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.accounts import people_search

    monkeypatch.setattr(people_search, "SEARCHES_PER_MINUTE", 1)
    client = sign_in(owner)
    assert "Emil Editor" in ask(client, PAGE, "emil")
    page = ask(client, PAGE, "emil")
    assert "Emil Editor" not in page
    assert "very often" in page


def test_the_owners_own_name_of_a_library_is_for_the_owner(owner: User, stranger: User) -> None:
    from drive.libraries import services
    from drive.models import Permission

    mine = services.create_library(owner, "Inner name")
    services.share_with_person(owner, mine, stranger, Permission.READ)
    mine.refresh_from_db()
    Library.objects.filter(pk=mine.pk).update(name="Changed inner name")
    write(owner, mine, "word.md")
    follow()
    assert found(owner, "word").files[0].place == "Changed inner name"
    assert found(stranger, "word").files[0].place == mine.shared_name


def test_every_page_has_the_form(client: Client) -> None:
    page = client.get("/").content.decode()
    assert 'action="/search/"' in page
    assert 'hx-get="/search/suggest/"' in page


def test_a_role_by_a_group_counts(owner: User, stranger: User, collab: Collab, filled: Library) -> None:
    from groups import services as group_services

    group = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, group, stranger)
    collab_services.give_group_role(owner, collab, group, Role.VIEWER)
    assert [one.path for one in found(stranger, "private").files] == ["deep/private.ipynb", "synapse private.md"]
