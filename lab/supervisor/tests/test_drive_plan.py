"""Changes from one view of a Drive to another, on a model of mounts: who stands in a library, stays there."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.supervisor.drive_plan import Library, MountPoint, View, keeps, plan

LIBRARIES = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]
PLACES = [MountPoint(folder, name) for folder in ("Shared with me", "Shared with groups") for name in "abc"]
A, B, C = (MountPoint("Shared with groups", name) for name in "abc")


def library(number: int, mode: str = "rw") -> Library:
    return Library(LIBRARIES[number], mode)


def views() -> st.SearchStrategy[View]:
    return st.dictionaries(
        st.sampled_from(PLACES), st.builds(library, st.integers(0, 3), st.sampled_from(["rw", "ro"]))
    )


def carry_out(current: View, wanted: View) -> dict[MountPoint, int]:
    """Follow a plan as the kernel would; numbers of the mounts that are there in the end. New ones count from 100."""
    mounts = {place: (number, found) for number, (place, found) in enumerate(current.items())}
    todo = plan(current, wanted)
    for place in todo.read_only:
        mounts[place] = (mounts[place][0], Library(mounts[place][1].library, "ro"))
    for place in todo.withdrawn:
        del mounts[place]
    for old, new in todo.moved:
        assert new not in mounts, "something stands there"
        mounts[new] = mounts.pop(old)
    for place in todo.writable:
        assert wanted[place].mode == "rw"
        mounts[place] = (mounts[place][0], Library(mounts[place][1].library, "rw"))
    for number, place in enumerate(todo.shown):
        assert place not in mounts, "something stands there"
        mounts[place] = (100 + number, wanted[place])
    assert {place: found for place, (_, found) in mounts.items()} == wanted
    return {place: number for place, (number, _) in mounts.items()}


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(views(), views())
def test_it_leads_from_any_view_to_any_other(current: View, wanted: View) -> None:
    carry_out(current, wanted)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(views())
def test_it_changes_nothing_where_nothing_changed(view: View) -> None:
    todo = plan(view, view)
    assert not [*todo.read_only, *todo.withdrawn, *todo.moved, *todo.writable, *todo.shown]


def test_a_library_keeps_its_mount_through_a_role_and_a_name_that_change() -> None:
    assert carry_out({A: library(0, "ro")}, {A: library(0, "rw")}) == {A: 0}
    assert carry_out({A: library(0, "rw")}, {A: library(0, "ro")}) == {A: 0}
    assert carry_out({A: library(0, "rw")}, {B: library(0, "ro")}) == {B: 0}
    assert carry_out({A: library(0, "ro"), B: library(1)}, {B: library(0, "rw"), C: library(1)}) == {B: 0, C: 1}


def test_of_two_that_change_places_one_keeps_its_mount() -> None:
    ends = carry_out({A: library(0), B: library(1)}, {A: library(1), B: library(0)})
    assert sorted(ends.values()) in ([0, 100], [1, 100])


def test_nobody_keeps_more_than_is_wanted() -> None:
    """A mount that is taken away at once, though something uses it, or only when nothing does."""
    assert keeps({B: library(0, "rw")}, library(0, "rw"))
    assert keeps({B: library(0, "ro")}, library(0, "ro"))
    assert not keeps({B: library(0, "ro")}, library(0, "rw"))
    assert not keeps({B: library(1, "rw")}, library(0, "ro"))
