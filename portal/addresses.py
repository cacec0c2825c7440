"""Addresses that pages name again and again: put together once."""

from collections.abc import Hashable
from functools import lru_cache

from django.urls import get_script_prefix, get_urlconf, reverse

KEPT = 2048
"""Addresses that a process keeps: those asked for last. They say nothing of who may go there."""


def address(name: str, *arguments: Hashable) -> str:
    """As Django's `reverse`, which takes ten times as long; for addresses of which a page has many."""
    return _known(get_urlconf(), get_script_prefix(), name, arguments)


@lru_cache(KEPT)
def _known(_urlconf: str | None, _prefix: str, name: str, arguments: tuple[Hashable, ...]) -> str:
    return reverse(name, args=arguments)
