"""Full-text search: the same on both databases, and an index that is never behind."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from collabs import search, services
from collabs.models import Collab
from portal.models import User


def found(words: str) -> list[str]:
    return [collab.title for collab in Collab.all_objects.matching(words).order_by(F("distance"), "title_key")]


@pytest.fixture
def atlas(owner: User) -> Collab:
    return services.create_collab(
        owner, title="Atlas der Größen", description="Slices of naïve MICE, 脳科学の地図.", tags=["fMRI", "C++"]
    )


@pytest.mark.parametrize(
    "words",
    [
        "atlas",
        "ATLAS",
        "grössen",
        "grosse",
        "slic",
        "naive mice",
        "mice atlas",
        "fmri",
        "c++",
        "科学",
        "脳",
        "地図 atlas",
    ],
)
def test_it_finds_words_by_their_beginnings_in_any_script_and_case(atlas: Collab, words: str) -> None:
    assert found(words) == ["Atlas der Größen"]


@pytest.mark.parametrize("words", ["tlas", "atlas cortex", "%", "'", '"', "* OR atlas*x", "NOT", "title : zzz", ")("])
def test_it_takes_words_as_words(atlas: Collab, words: str) -> None:
    assert found(words) == []


@pytest.mark.parametrize(
    "words", ["atlas*", '"atlas"', "atlas & mice", "atlas | mice", "'atlas':*", "-atlas", "^atlas"]
)
def test_it_knows_no_operators(atlas: Collab, words: str) -> None:
    assert found(words) == ["Atlas der Größen"]


def test_it_finds_all_for_nothing(collab: Collab, public_collab: Collab) -> None:
    assert found("") == found("  ") == ["Cortex", "Open Cortex"]


def test_it_puts_titles_before_tags_before_descriptions(owner: User) -> None:
    services.create_collab(owner, title="One", description="retina")
    services.create_collab(owner, title="Two", tags=["retina"])
    services.create_collab(owner, title="Retina")
    assert found("retina") == ["Retina", "Two", "One"]


def test_it_follows_every_change(atlas: Collab, owner: User) -> None:
    services.update_collab(owner, atlas, title="Map", description="Rats", is_public=False, tags=["pet"])
    assert [found(word) for word in ("atlas", "mice", "fmri")] == [[], [], []]
    assert [found(word) for word in ("map", "rats", "pet")] == [["Map"]] * 3
    services.update_collab(owner, atlas, title="Map", description="Rats", is_public=True)
    assert found("pet") == ["Map"]


def test_it_forgets_what_is_removed_for_good(atlas: Collab, owner: User) -> None:
    services.delete_collab(owner, atlas)
    services.remove_collab(atlas, timezone.now())
    assert [found(word) for word in ("großen", "mice", "fmri")] == [[], [], []]


def test_it_is_as_it_was_when_a_change_is_undone(atlas: Collab, owner: User) -> None:
    with transaction.atomic():
        services.update_collab(owner, atlas, title="Map", description="", is_public=False)
        transaction.set_rollback(True)
    assert (found("atlas"), found("map")) == (["Atlas der Größen"], [])


def test_it_is_written_anew_by_a_command(atlas: Collab, capsys: pytest.CaptureFixture[str]) -> None:
    Collab.objects.filter(pk=atlas.pk).update(title="Changed past the site")
    Collab.objects.bulk_create([Collab(slug="raw", title="Raw", title_key="raw")])
    assert found("past") == found("raw") == []
    call_command("rebuild_search")
    assert "2 Collabs are in the search index.\n" in capsys.readouterr().out
    assert (found("past"), found("raw"), found("fmri")) == (["Changed past the site"], ["Raw"], found("past"))


def test_it_takes_texts_of_any_length(owner: User) -> None:
    services.create_collab(owner, title="Long", description="x" * 1999)
    services.create_collab(owner, title="Many", description=" ".join(f"w{n}" for n in range(400)))
    assert found("x" * 500) == ["Long"]
    assert found(" ".join(f"w{n}" for n in range(300))) == ["Many"]


def test_it_narrows_what_it_is_given(
    collab: Collab, public_collab: Collab, stranger: User, person: Callable[..., User]
) -> None:
    seen = Collab.objects.visible_to(stranger).matching("cortex")
    assert [found.title for found in seen] == ["Open Cortex"]
    assert seen.count() == 1


def test_it_folds_words_alike_whatever_they_are_made_of() -> None:
    assert search.words_of("Größe GRÖSSE Gro\u0308ße") == ["grosse"] * 3
    assert search.words_of("ﬁsh\0foo_bar\u200bx-y") == ["fish", "foo", "bar", "x", "y"]
    assert search.words_of("") == []


def test_it_uses_the_index(db: None) -> None:
    plan = Collab.objects.matching("cortex").explain()
    assert "VIRTUAL TABLE INDEX" in plan or connection.vendor == "postgresql", plan
