"""The index follows the files, and what it finds is there now."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DataError, connection
from django.utils import timezone

from collabs import services as collab_services
from collabs.models import Collab
from drive.files import operations
from drive.libraries import services as library_services
from drive.models import File, Library, Trashed
from drive.versions import scan, trash
from portal.models import User
from search import index, indexing, tasks, typos
from search.models import IndexedFile, IndexState, Word

from .support import follow, found, names, texts, write

pytestmark = pytest.mark.django_db


def entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {index.TABLE}")
        count = cursor.fetchone()[0]
    assert IndexedFile.objects.count() == count
    return count


def test_it_finds_names_folders_and_texts_by_the_beginnings_of_words(owner: User, library: Library) -> None:
    write(owner, library, "Thesis/fig3_finalPlot.py", "def hippocampus_volume(): pass")
    write(owner, library, "Thesis/notes.md", "Größe of the *plot*")
    write(owner, library, "run.ipynb", "import numpy as np\nsynapse = 1")
    follow()
    for words in ("fig", "FIG3", "final", "plot", "finalplot", "thesis fig", "py"):
        assert names(owner, words) == ["Thesis/fig3_finalPlot.py"], words
    assert names(owner, "thesis") == names(owner, "lot") == names(owner, "hippocampus") == []
    assert texts(owner, "grosse") == texts(owner, "thesis größe") == texts(owner, "plot") == ["Thesis/notes.md"]
    assert texts(owner, "synap num") == ["run.ipynb"]
    assert texts(owner, "outputword") == texts(owner, "thesis") == texts(owner, "notes") == []


def test_it_knows_no_operators(owner: User, library: Library) -> None:
    write(owner, library, "a.md", "near and not or text")
    follow()
    for words in (
        'a"',
        "a*",
        "name:a",
        "a OR zzz",
        "a NOT text",
        "NEAR(a b)",
        "{name} : a",
        "a' | 'b",
        "a & !b",
        "\\",
        "a:*",
    ):
        names(owner, words), texts(owner, words)
    assert texts(owner, "NOT text") == texts(owner, "near and or") == ["a.md"]
    assert names(owner, "a OR zzz") == []


def test_it_follows_what_is_changed_renamed_deleted_and_restored(owner: User, library: Library) -> None:
    write(owner, library, "a.md", "first")
    follow()
    write(owner, library, "a.md", "second")
    follow()
    assert (texts(owner, "first"), texts(owner, "second")) == ([], ["a.md"])
    operations.rename(owner, library, "a.md", "b.md")
    follow()
    assert (names(owner, "a"), names(owner, "b"), texts(owner, "second")) == ([], ["b.md"], ["b.md"])
    operations.delete(owner, library, "b.md")
    assert (names(owner, "b"), texts(owner, "second")) == ([], [])
    follow()
    assert entries() == 0
    trash.restore(owner, Trashed.objects.get())
    follow()
    assert (names(owner, "b"), texts(owner, "second"), entries()) == (["b.md"], ["b.md"], 1)


def test_it_finds_nothing_that_was_there_while_it_is_behind(owner: User, library: Library) -> None:
    write(owner, library, "secret.md", "salary")
    write(owner, library, "plan.md", "budget")
    follow()
    write(owner, library, "secret.md", "harmless")
    operations.rename(owner, library, "secret.md", "open.md")
    operations.delete(owner, library, "plan.md")
    for words in ("secret", "salary", "plan", "budget"):
        assert not len(found(owner, words)), words


def test_it_finds_no_hidden_file_and_forgets_what_becomes_hidden(owner: User, library: Library) -> None:
    for path in (".git/config", ".hidden.md", "a/.ipynb_checkpoints/run.ipynb", "run.ipynb"):
        write(owner, library, path, "word")
    follow()
    assert (texts(owner, "word"), names(owner, "run"), entries()) == (["run.ipynb"], ["run.ipynb"], 1)
    operations.rename(owner, library, "run.ipynb", ".run.ipynb")
    assert (texts(owner, "word"), names(owner, "run")) == ([], [])
    tasks.sweep()
    follow()
    assert entries() == 0


def test_it_follows_what_notebooks_write_move_and_remove(owner: User, library: Library, place: Path) -> None:
    (place / "new.md").write_text("synapse")
    scan.scan(library)
    follow()
    assert texts(owner, "synapse") == ["new.md"]
    (place / "new.md").rename(place / "moved.md")
    outcome = scan.scan(library)
    assert outcome
    assert outcome.moved == 1
    follow()
    assert (names(owner, "new"), names(owner, "moved"), texts(owner, "synapse")) == ([], ["moved.md"], ["moved.md"])
    (place / "moved.md").unlink()
    assert texts(owner, "synapse") == []  # before the scan knows
    scan.scan(library)
    follow()
    assert entries() == 0


def test_it_opens_nothing_outside_and_nothing_but_files(
    owner: User, library: Library, place: Path, outside: Path
) -> None:
    write(owner, library, "a.md", "word")
    (place / "a.md").unlink()
    (place / "a.md").symlink_to(outside / "secret.txt")
    write(owner, library, "b.md", "word")
    follow()
    assert texts(owner, "secret") == []
    assert texts(owner, "word") == ["b.md"]


def test_it_fills_itself_step_by_step_on_a_site_that_has_files(
    owner: User, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        write(owner, library, f"old{number}.md", "word")
    File.objects.update(noted_at=None)
    monkeypatch.setattr(indexing, "BATCH", 2)
    assert indexing.follow(0)
    assert entries() == 2
    assert indexing.follow(0)
    assert entries() == 4
    follow()
    assert (entries(), IndexState.current().swept_to) == (7, None)


def test_a_round_that_is_cut_off_goes_on_with_the_next(
    owner: User, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow()
    for number in range(5):
        write(owner, library, f"new{number}.md", "word")
    monkeypatch.setattr(indexing, "BATCH", 2)
    assert indexing.follow(0)
    assert entries() == 2
    follow()
    assert entries() == 5


def test_a_text_that_the_database_refuses_costs_no_name(
    owner: User, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(owner, library, "a.md", "word")
    real = index.write

    def refuse(connection: object, entries: list[index.Entry]) -> None:
        if any(entry.text for entry in entries):
            raise DataError("too long")
        real(connection, entries)

    monkeypatch.setattr(index, "write", refuse)
    follow()
    assert (names(owner, "a"), texts(owner, "word")) == (["a.md"], [])


def test_one_owners_texts_fill_no_more_than_their_room(
    owner: User, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MOST_OF_OWNER", 20)
    mine = library_services.create_library(owner, "Mine")
    for where, path in ((library, "a.md"), (library, "b.md"), (mine, "c.md")):
        write(owner, where, path, "synapse spikes")
        follow()
    assert (texts(owner, "synapse"), names(owner, "md")) == (["a.md", "c.md"], ["a.md", "b.md", "c.md"])
    operations.delete(owner, library, "a.md")
    follow()
    write(owner, library, "b.md", "synapse again")
    follow()
    assert texts(owner, "synapse") == ["b.md", "c.md"]


def test_it_learns_no_more_words_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typos, "MOST_KNOWN", 2)
    assert [typos.learn(words) for words in (["alpha", "beta"], ["gamma"], ["delta"])] == [2, 1, 0]


@pytest.mark.slow
def test_it_takes_long_texts_and_long_words(owner: User, library: Library) -> None:
    write(owner, library, "many.txt", " ".join(f"wörterbuch{number}" for number in range(60_000)))
    write(owner, library, "long.txt", "x" * 500_000 + " 脳" * 1000)
    follow()
    assert texts(owner, "wörterbuch17") == ["many.txt"]
    assert texts(owner, "xxx") == texts(owner, "脳") == ["long.txt"]


def test_the_command_writes_it_anew(owner: User, library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    write(owner, library, "a.md", "word")
    follow()
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {index.TABLE}")
    assert texts(owner, "word") == []
    call_command("rebuild_search", wait=True)
    assert "1 files are in the search index.\n" in capsys.readouterr().out
    assert texts(owner, "word") == ["a.md"]
    call_command("rebuild_search")
    assert entries() == 0
    follow()
    assert texts(owner, "word") == ["a.md"]


def test_the_task_comes_again_while_there_is_more(
    owner: User, library: Library, queue: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    del queue[:]
    monkeypatch.setattr(indexing, "follow", lambda: True)
    tasks.follow()
    assert ("search.tasks.follow",) in queue
    del queue[:]
    monkeypatch.setattr(indexing, "follow", lambda: False)
    tasks.follow()
    assert queue == []


def test_it_learns_the_words_of_files_and_collabs_and_forgets_them(owner: User, library: Library) -> None:
    collab_services.create_collab(owner, title="Zebrafish")
    write(owner, library, "a.md", "hippocampus")
    follow()
    assert {"zebrafish", "hippocampus"} <= set(Word.objects.values_list("word", flat=True))
    operations.delete(owner, library, "a.md")
    follow()
    tasks.forget_words()
    follow()
    known = set(Word.objects.values_list("word", flat=True))
    assert "hippocampus" not in known
    assert "zebrafish" in known


def test_a_purged_file_leaves_the_index(owner: User, library: Library) -> None:
    write(owner, library, "a.md", "word")
    follow()
    File.objects.all().delete()
    tasks.sweep()
    follow()
    assert entries() == 0


def test_archived_and_deleted_collabs_files_are_not_found(owner: User, library: Library, collab: Collab) -> None:
    write(owner, library, "a.md", "word")
    follow()
    Collab.objects.filter(pk=collab.pk).update(archived_at=timezone.now())
    assert (texts(owner, "word"), names(owner, "a")) == ([], [])
    Collab.objects.filter(pk=collab.pk).update(archived_at=None)
    assert texts(owner, "word") == ["a.md"]
    collab_services.delete_collab(owner, Collab.objects.get(pk=collab.pk))
    assert (texts(owner, "word"), names(owner, "a")) == ([], [])


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("hipocampus", "hippocampus"), ("hippocmapus", "hippocampus"), ("hyppocampus", "hippocampus"),
        ("ippocampus", "hippocampus"), ("hippocampsu", "hippocampus"), ("hipcampus", "hippocampus"),
        ("hipocmapus", "hippocampus"), ("tset", "test"), ("tets", "test"), ("best", "test"), ("notbeo", "notebook"),
    ],
)  # fmt: skip
def test_it_knows_words_that_are_close(typed: str, word: str) -> None:
    typos.learn(["hippocampus", "test", "notebook", "unrelated"])
    assert typos.close_to(typed) == [word]


@pytest.mark.parametrize("typed", ["hip", "xxxxxxxx", "teat5x", "%___", "abc", "h" * 60])
def test_it_takes_no_word_for_another_that_is_not_close(typed: str) -> None:
    typos.learn(["hippocampus", "test", "notebook"])
    assert [word for word in typos.close_to(typed) if word != "test" or typed != "teat5x"] == []
