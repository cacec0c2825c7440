"""Numbers in words, for people, in the language of the page."""

from django.utils.formats import number_format
from django.utils.translation import ngettext


def duration(seconds: float) -> str:
    """`45 seconds`, `1 minute`, `90 minutes`, `12 hours`, `7 days`: one unit, rounded down from two minutes on."""
    if seconds >= 2 * 86400:
        return _days(int(seconds // 86400))
    if seconds >= 2 * 3600:
        return _hours(int(seconds // 3600))
    if seconds >= 60:
        return _minutes(int(seconds // 60))
    return ngettext("%(number)s second", "%(number)s seconds", int(seconds)) % {"number": int(seconds)}


def span(seconds: float) -> str:
    """`11 hours 59 minutes`, `1 day 2 hours`, `35 minutes`: two units from an hour on, rounded down."""
    if seconds >= 86400:
        days, rest = divmod(int(seconds), 86400)
        return f"{_days(days)} {_hours(rest // 3600)}" if rest >= 3600 else _days(days)
    if seconds >= 3600:
        hours, rest = divmod(int(seconds), 3600)
        return f"{_hours(hours)} {_minutes(rest // 60)}" if rest >= 60 else _hours(hours)
    return duration(seconds)


def size(count: int) -> str:
    """`512 bytes`, `3 kB`, `20 MB`."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_:
            return f"{count / bytes_:.0f} {unit}"
    return ngettext("%(number)s byte", "%(number)s bytes", count) % {"number": count}


def binary_size(count: int) -> str:
    """`512 MiB`, `2.0 GiB`: how memory is sold."""
    return f"{number_format(count / 2**30, 1)} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _days(number: int) -> str:
    return ngettext("%(number)s day", "%(number)s days", number) % {"number": number}


def _hours(number: int) -> str:
    return ngettext("%(number)s hour", "%(number)s hours", number) % {"number": number}


def _minutes(number: int) -> str:
    return ngettext("%(number)s minute", "%(number)s minutes", number) % {"number": number}
