"""What a group gives its people, in real Labs: the kernel keeps its limit, and no request gets around it."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from groups.models import Group
from groups.services import add_person, create_group, delete_group
from lab import group_limits
from lab.models import Environment, Server, State, StopReason
from lab.servers.services import stop_server
from lab.supervisor import cgroups

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

MIB = 2**20
HOG = "kept = bytearray(600 * 2**20)\nkept[::4096] = b'x' * len(kept[::4096])"


@pytest.fixture
def small(person: Callable[..., Person]) -> Iterator[tuple[Person, Group]]:
    """Somebody in a group whose Labs have 400 MiB."""
    someone, group = person("small"), create_group(None, name="Small Labs")
    add_person(None, group, someone.user)
    group_limits.set_limits(None, group, [], memory_mib=400, idle_hours=3)
    yield someone, group
    delete_group(None, group)


@pytest.mark.skipif(
    "memory" not in cgroups.find(settings.LAB_CGROUP).kept, reason="this machine gives us no memory controller"
)
def test_the_memory_of_a_group_holds_until_the_next_launch(way: str, site: Site, small: tuple[Person, Group]) -> None:
    someone, group = small
    server = someone.launch()
    assert site.is_forked(server) == (way == "fork")
    assert (server.memory_limit, server.idle_seconds) == (400 * MIB, 3 * 3600)
    assert "from the group Small Labs" in someone.get("/lab/").text
    groups = cgroups.find(settings.LAB_CGROUP)
    someone.kernel().begin(HOG)
    wait_for(lambda: groups.killed(server.pk.hex) > 0, 60, "the kernel was not ended")
    group_limits.set_limits(None, group, [], memory_mib=900)
    assert someone.server().memory_limit == 400 * MIB
    stop_server(None, someone.server(), StopReason.OPERATOR)
    wait_for(lambda: someone.server().state == State.STOPPED, 60, "the Lab was not stopped")
    server = someone.launch()
    assert server.memory_limit == 900 * MIB
    assert someone.kernel().run(HOG + "\nprint('fits')").text.strip() == "fits"
    assert groups.killed(server.pk.hex) == 0


def test_an_environment_of_others_is_refused_whatever_is_sent(site: Site, person: Callable[..., Person]) -> None:
    someone, base = person("curious"), Environment.objects.get(is_default=True)
    others = Environment.objects.create(slug="others", name="Others", prefix=base.prefix, for_groups_only=True)
    try:
        assert someone.get("/lab/open?environment=others").status_code == 403
        answer = someone.submit("/lab/", "/lab/start", {"environment": "others", "next": "/lab", "remember": "on"})
        assert answer.status_code == 403
        assert "is not for you" in answer.text
        assert not Server.objects.filter(owner=someone.user).exists()
        assert someone.launch().environment == base
    finally:
        Server.objects.filter(environment=others).update(environment=base)
        others.delete()
