"""A username is a DNS label, because it names the origin of a Lab."""

import pytest
from django.core.exceptions import ValidationError

from portal.usernames import RESERVED, validate_username


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


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_it_keeps_the_sites_own_names(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_username(name)
