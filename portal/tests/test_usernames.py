"""A username is a DNS label, because it names the origin of a Lab."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from portal.models import User
from portal.usernames import RESERVED, first_free, validate_username


@pytest.mark.parametrize("name", ["a", "ada", "ada-lovelace", "a1", "x" * 32])
def test_it_accepts_dns_labels(name: str) -> None:
    validate_username(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Ada",
        "1a",
        "-a",
        "a-",
        "a_b",
        "a.b",
        "a b",
        "ä",
        "a\n",
        "x" * 33,
        "xn--bcher-kva",
        "ab--c",
        "\N{CYRILLIC SMALL LETTER A}da",
    ],
)
def test_it_refuses_what_no_host_can_be_called(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_username(name)


OF_OTHERS = ["admin", "administrator", "autoconfig", "autodiscover", "isatap", "mta-sts", "noreply", "root", "wpad"]
RFC_2142 = ["abuse", "ftp", "hostmaster", "info", "marketing", "news", "noc", "postmaster", "sales", "security"]
RFC_2142 += ["support", "usenet", "uucp", "webmaster", "www"]


@pytest.mark.parametrize("name", OF_OTHERS + RFC_2142)
def test_it_gives_nobody_a_name_that_others_believe(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_username(name)
    assert first_free(name, set()) == f"{name}-2"


def test_who_has_one_of_these_already_goes_on(db: None, client: Client) -> None:
    client.force_login(User.objects.create_user("security", email="s@example.org"))
    assert client.post("/account/", {"first_name": "Ada", "last_name": "Lovelace"}).status_code == 302
    assert User.objects.get(username="security").display_name == "Ada Lovelace"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_it_keeps_the_sites_own_names(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_username(name)
