"""An open WebSocket into a Lab ends with the sign-in that let it in, whatever code in that Lab does."""

from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from lab.gateway.passes import PASS_COOKIE
from lab.models import Pass, State
from portal.accounts import services
from portal.digest import digest

from ..support.people import Kernel, Person
from ..support.site import wait_for

pytestmark = pytest.mark.sandbox

SECONDS = 30
"""More than enough; how long it takes is measured in bench/, not here."""


def sign_out(somebody: Person) -> None:
    """At the portal, in the browser that has the Lab open."""
    somebody.submit("/account/logout/", "/account/logout/", {})


def change_password(somebody: Person) -> None:
    """In the same browser."""
    form = {"oldpassword": "unused", "password1": "fresh-harbour-62", "password2": "fresh-harbour-62"}
    answer = somebody.submit("/account/password/change/", "/account/password/change/", form)
    assert answer.ok
    somebody.user.refresh_from_db()
    assert somebody.user.check_password("fresh-harbour-62")


def sign_out_everywhere_else(somebody: Person) -> None:
    """From a second browser."""
    Person(somebody.user).submit("/account/sessions/", "/account/sessions/", {})


def lose_the_pass(somebody: Person) -> None:
    """As an operator deletes its row."""
    secret = somebody.session.cookies.get(PASS_COOKIE)
    assert secret
    assert Pass.objects.filter(digest=digest(secret)).delete()[0] == 1


def deactivate(somebody: Person) -> None:
    """By an operator."""
    services.deactivate(None, somebody.user)


ENDINGS = [sign_out, change_password, sign_out_everywhere_else, lose_the_pass, deactivate]


def is_cut(kernel: Kernel) -> bool:
    """Whether the socket has ended; while it has not, it runs cells."""
    try:
        assert kernel.run("6 * 7").text == "42"
    except ConnectionClosed:
        return True
    return False


@pytest.mark.parametrize("end", ENDINGS)
def test_an_open_kernel_socket_ends_with_the_sign_in(person: Callable[..., Person], end: Callable) -> None:
    somebody = person()
    somebody.launch()
    kernel = somebody.kernel()
    assert not is_cut(kernel)
    end(somebody)
    wait_for(lambda: is_cut(kernel), SECONDS, "the socket still runs cells")


def test_another_browser_of_the_same_person_goes_on(person: Callable[..., Person]) -> None:
    somebody = person()
    somebody.launch()
    elsewhere = Person(somebody.user)
    elsewhere.enter()
    gone, staying = somebody.kernel(), elsewhere.kernel()
    sign_out(somebody)
    wait_for(lambda: is_cut(gone), SECONDS, "the socket still runs cells")
    assert not is_cut(staying)
    assert somebody.server().state == State.RUNNING
