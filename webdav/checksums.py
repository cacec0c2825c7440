"""Hashes of uploads, in ownCloud's manner: a program sends one (`OC-Checksum`), and finds two (`oc:checksums`).

They are computed while the upload is at hand anyway, if the program has sent one, and hold as long as nobody writes
into the file.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from drive.models import Library

from .errors import DavError
from .models import Checksum

CHUNK = 1 << 20
ALGORITHMS = ("SHA1", "MD5", "SHA256")


def verified(staged: Path, header: str) -> tuple[str, str] | None:
    """SHA-1 and MD5 of an upload; None where no checksum was sent. 400 where it is another, or of an unknown kind."""
    if not header:
        return None
    algorithm, _, wanted = header.strip().partition(":")
    if algorithm.upper() not in ALGORITHMS:
        raise DavError(400, f"Unknown kind of checksum. Known are {', '.join(ALGORITHMS)}.")
    hashes = {"SHA1": hashlib.sha1(usedforsecurity=False), "MD5": hashlib.md5(usedforsecurity=False)}
    hashes.setdefault(algorithm.upper(), hashlib.new(algorithm))
    with staged.open("rb") as source:
        while chunk := source.read(CHUNK):
            for one in hashes.values():
                one.update(chunk)
    if hashes[algorithm.upper()].hexdigest() != wanted.strip().lower():
        raise DavError(400, "The checksum is another: the upload was damaged on its way. Nothing was changed.")
    return hashes["SHA1"].hexdigest(), hashes["MD5"].hexdigest()


def note(library: Library, signature: str, hashes: tuple[str, str]) -> None:
    """Keep the hashes of a file for as long as it has this signature."""
    values = {"sha1": hashes[0], "md5": hashes[1]}
    Checksum.objects.update_or_create(library=library, signature=signature, defaults=values)


def forget(library: Library, signature: str) -> None:
    """The file with this signature was replaced or deleted."""
    Checksum.objects.filter(library=library, signature=signature).delete()


def carry(source: Library, old: str, target: Library, new: str) -> None:
    """A file has another signature, and the same content: it was renamed, or only its time was set."""
    Checksum.objects.filter(library=target, signature=new).exclude(library=source, signature=old).delete()
    Checksum.objects.filter(library=source, signature=old).update(library=target, signature=new)


def of(library: Library, signatures: Iterable[str]) -> dict[str, str]:
    """`SHA1:… MD5:…` for each of these signatures that is known."""
    rows = Checksum.objects.filter(library=library, signature__in=list(signatures))
    return {row.signature: f"SHA1:{row.sha1} MD5:{row.md5}" for row in rows}
