"""Security and cache headers of every response."""

from collections.abc import Iterator

from django.http.response import HttpResponseBase

from .table import Row

FOR_EVERYBODY = ("/.well-known/", "/healthz", "/readyz")
"""Addresses whose responses are public."""


def faults(row: Row, kind: str, answer: HttpResponseBase) -> Iterator[str]:
    """Faults of a response's headers: what a browser or cache could do with it that it should not."""
    said = answer.headers
    if said.get("X-Content-Type-Options") != "nosniff":
        yield "a browser may guess what it is"
    if said.get("Referrer-Policy") not in ("same-origin", "no-referrer"):
        yield "other sites learn its address"
    policy = said.get("Content-Security-Policy", "")
    if "default-src" not in policy:
        yield f"no policy: {policy!r}"
    if "script-src" in policy and ("unsafe" in policy.partition("script-src")[2].partition(";")[0]):
        yield f"inline scripts: {policy!r}"
    if said.get("X-Frame-Options") != "DENY" and "frame-ancestors" not in policy:
        yield "may be framed"
    control = said.get("Cache-Control", "")
    if kind not in ("anonymous", "deactivated") and not row.address.startswith(FOR_EVERYBODY):
        if "private" not in control and "no-store" not in control:
            yield f"a cache between may keep it for others: Cache-Control {control!r}"
        if "public" in control:
            yield "a cache between is told to keep it"
