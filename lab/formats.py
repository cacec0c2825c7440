"""Numbers in words, for people."""


def duration(seconds: float) -> str:
    """`45 seconds`, `1 minute`, `90 minutes`, `12 hours`, `7 days`: one unit, rounded down from two minutes on."""
    for unit, size, from_ in (("day", 86400, 2 * 86400), ("hour", 3600, 2 * 3600), ("minute", 60, 60)):
        if seconds >= from_:
            return _count(int(seconds // size), unit)
    return _count(int(seconds), "second")


def span(seconds: float) -> str:
    """`11 hours 59 minutes`, `1 day 2 hours`, `35 minutes`: two units from an hour on, rounded down."""
    for unit, size, next_unit, next_size in (("day", 86400, "hour", 3600), ("hour", 3600, "minute", 60)):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            return _count(whole, unit) + (f" {_count(rest // next_size, next_unit)}" if rest >= next_size else "")
    return duration(seconds)


def size(count: int) -> str:
    """`512 bytes`, `3 kB`, `20 MB`."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_:
            return f"{count / bytes_:.0f} {unit}"
    return _count(count, "byte")


def binary_size(count: int) -> str:
    """`512 MiB`, `2.0 GiB`: how memory is sold."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
