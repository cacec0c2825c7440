"""Addresses that are put together once per process."""

import pytest
from django.urls import NoReverseMatch, reverse, set_script_prefix

from portal.addresses import address


def test_an_address_is_that_of_django_each_time() -> None:
    for _ in range(2):
        for slug in ("one", "two"):
            assert address("collabs:page", slug) == reverse("collabs:page", args=[slug]) == f"/collabs/{slug}/"
        assert address("drive:home") == "/drive/"


def test_an_address_follows_the_prefix() -> None:
    assert address("collabs:page", "one") == "/collabs/one/"
    set_script_prefix("/below/")
    try:
        assert address("collabs:page", "one") == "/below/collabs/one/"
    finally:
        set_script_prefix("/")
    assert address("collabs:page", "one") == "/collabs/one/"


def test_an_unknown_name_fails_each_time() -> None:
    for _ in range(2):
        with pytest.raises(NoReverseMatch):
            address("no:such")
