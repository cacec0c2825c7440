"""Somebody hostile, in a Lab that was started in either way."""

from collections.abc import Callable, Iterator

import pytest

from ..support.people import Kernel, Person
from ..support.site import Site


@pytest.fixture
def hostile(way: str, site: Site, person: Callable[..., Person]) -> Person:
    """Whose Lab runs; every attack meets both ways of launching."""
    someone = person("mallory")
    assert site.is_forked(someone.launch()) == (way == "fork")
    return someone


@pytest.fixture(scope="module")
def lasting(way_of_all: str, site: Site, lasting_person: Callable[..., Person]) -> Person:
    """Somebody whose Lab runs for all tests of a module that are run in one way of launching."""
    if way_of_all == "fork":
        site.have_fork_server()
    someone = lasting_person("lasting")
    assert site.is_forked(someone.launch()) == (way_of_all == "fork")
    return someone


@pytest.fixture(scope="module")
def lasting_neighbour(lasting: Person, lasting_person: Callable[..., Person]) -> Person:
    """Somebody else whose Lab runs for as long."""
    someone = lasting_person("victim")
    someone.launch()
    return someone


@pytest.fixture
def attacker(way: str, lasting: Person) -> Iterator[Person]:
    """As `hostile`, for attacks of which nothing is left when their kernels have ended: one Lab for all in a module."""
    yield lasting
    lasting.end_kernels()


@pytest.fixture
def neighbour(way: str, person: Callable[..., Person]) -> Person:
    """Somebody else whose Lab runs."""
    someone = person("victim")
    someone.launch()
    return someone


@pytest.fixture
def notebook(hostile: Person) -> Kernel:
    """A kernel of the hostile person's."""
    return hostile.kernel()
