"""Locks: what they keep from others, and how they end."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from drive.models import Library
from portal.models import User
from webdav import conditions, locks
from webdav.conditions import Condition, If, State
from webdav.errors import DavError
from webdav.models import Lock

from .conftest import Dav, Program

pytestmark = pytest.mark.django_db


def token_of(answer: object) -> str:
    return answer.headers["Lock-Token"]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_it_keeps_a_locked_file_from_everybody_without_the_token(
    program: Program, dav: Dav, owner: User, place: Path
) -> None:
    program("PUT", ":a", b"old")
    other = dav(owner)
    token = token_of(program.lock(":a"))
    shown = {"If": f"({token})"}
    for asking, headers in ((program, {}), (other, {}), (other, shown)):
        assert asking.status("PUT", ":a", b"x", **headers) == 423
        assert asking.status("DELETE", ":a", **headers) == 423
        assert asking.status("MOVE", ":a", Destination=":b", **headers) == 423
        assert (
            asking.status(
                "PROPPATCH",
                ":a",
                "<propertyupdate xmlns='DAV:'><set><prop><x/></prop></set></propertyupdate>",
                **headers,
            )
            == 423
        )
        assert asking.lock(":a", **headers).status == 423
    assert other.status("GET", ":a") == 200
    assert other.status("COPY", ":a", Destination=":c") == 201
    assert other.status("COPY", ":c", Destination=":a") == 423
    assert (place / "a").read_bytes() == b"old"
    assert other.status("UNLOCK", ":a", Lock_Token=token) == 403
    assert program.status("PUT", ":a", b"new", **shown) == 204
    assert program.status("UNLOCK", ":a", Lock_Token=token) == 204
    assert program.status("UNLOCK", ":a", Lock_Token=token) == 409
    assert program.status("UNLOCK", ":a") == 400
    assert other.status("PUT", ":a", b"x") == 204


@pytest.mark.slow
def test_it_locks_folders_with_what_is_in_them(program: Program, dav: Dav, owner: User) -> None:
    program("MKCOL", ":f")
    program("PUT", ":f/a", b"a")
    other, token = dav(owner), token_of(program.lock(":f"))
    for method, path in (("PUT", ":f/a"), ("PUT", ":f/new"), ("DELETE", ":f/a"), ("DELETE", ":f"), ("MKCOL", ":f/g")):
        assert other.status(method, path, b"") == 423, (method, path)
    assert program.status("PUT", ":f/new", b"x", If=f"<{program.address(':f')}> ({token})") == 201
    assert program.status("UNLOCK", ":f/a", Lock_Token=token) == 204
    shallow = token_of(program.lock(":f", Depth="0"))
    assert other.status("PUT", ":f/a", b"x") == 204
    assert other.status("PUT", ":f/another", b"x") == 423
    assert other.status("DELETE", ":f/a") == 423
    program("UNLOCK", ":f", Lock_Token=shallow)
    inside = token_of(program.lock(":f/a"))
    assert other.status("DELETE", ":f") == 423
    assert other.status("MOVE", ":f", Destination=":g") == 423
    assert other.lock(":f").status == 423
    assert other.lock(":f", Depth="0").status == 200
    program("UNLOCK", ":f/a", Lock_Token=inside)


def test_it_makes_an_empty_file_of_a_locked_name(program: Program, place: Path) -> None:
    made = program.lock(":new")
    assert (made.status, (place / "new").read_bytes()) == (201, b"")
    assert program.status("PUT", ":new", b"x", If=f"({token_of(made)})") == 204
    assert program.lock(":absent/new").status == 409
    assert program.lock(":new2", Depth="1").status == 400
    assert not (place / "new2").exists()


def test_it_shares_locks_among_those_who_want_to(program: Program, dav: Dav, owner: User) -> None:
    program("PUT", ":a", b"x")
    other = dav(owner)
    mine, theirs = token_of(program.lock(":a", "shared")), token_of(other.lock(":a", "shared"))
    assert program.lock(":a").status == 423
    assert program.status("PUT", ":a", b"x") == 423
    assert program.status("PUT", ":a", b"x", If=f"({mine})") == 204
    assert other.status("PUT", ":a", b"x", If=f"({theirs})") == 204
    found = program.find(":a", "lockdiscovery").prop("{DAV:}lockdiscovery")
    assert len(found) == 2  # type: ignore[arg-type]


def test_it_lets_locks_last_for_minutes(program: Program) -> None:
    program("PUT", ":a", b"x")
    made = program.lock(":a", Timeout="Infinite, Second-4100000000")
    lock = Lock.objects.get()
    assert lock.seconds == locks.MOST_SECONDS
    assert lock.expires_at < timezone.now() + timedelta(seconds=locks.MOST_SECONDS + 1)
    shown = {"If": f"({token_of(made)})"}
    assert program.status("LOCK", ":a", Timeout="Second-1", **shown) == 200
    lock.refresh_from_db()
    assert lock.seconds == locks.LEAST_SECONDS
    assert program.status("LOCK", ":a") == 400
    assert program.status("LOCK", ":a", If="(<opaquelocktoken:other>)") == 412
    Lock.objects.update(expires_at=timezone.now())
    assert program.status("PUT", ":a", b"x") == 204
    assert program.status("LOCK", ":a", **shown) == 412
    assert program.lock(":a").status == 200
    assert Lock.objects.count() == 1  # the one that timed out is gone


def test_it_drops_locks_with_what_is_gone(program: Program, library: Library) -> None:
    program("MKCOL", ":f")
    program("PUT", ":f/a", b"x")
    token = token_of(program.lock(":f/a"))
    assert program.status("MOVE", ":f", Destination=":g", If=f"<{program.address(':f/a')}> ({token})") == 201
    assert not Lock.objects.exists()
    program.lock(":g")
    assert program.status("DELETE", ":g", If=f"({token_of(program.lock(':other'))})") == 412
    Lock.objects.all().delete()
    token = token_of(program.lock(":g"))
    assert program.status("DELETE", ":g", If=f"({token})") == 204
    assert not Lock.objects.exists()


def test_it_gives_one_person_so_many(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MOST_LOCKS", 2)
    assert [program.lock(f":{number}").status for number in range(3)] == [201, 201, 503]
    assert program.status("GET", ":2") == 404


def test_it_refuses_what_is_no_lock(program: Program) -> None:
    program("PUT", ":a", b"x")
    info = "<lockinfo xmlns='DAV:'><lockscope><{}/></lockscope><locktype><{}/></locktype></lockinfo>"
    assert program.status("LOCK", ":a", info.format("exclusive", "read")) == 422
    assert program.status("LOCK", ":a", info.format("other", "write")) == 400
    assert program.status("LOCK", ":a", "<lockinfo xmlns='DAV:'/>") == 400
    assert program.status("LOCK", "My Libraries") == 403
    assert (
        program.status(
            "LOCK",
            ":a",
            info.format("exclusive", "write").replace("</lockinfo>", f"<owner>{'x' * 5000}</owner></lockinfo>"),
        )
        == 400
    )
    assert not Lock.objects.exists()


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ("(<t>)", True),
        ("(<u>)", False),
        ("(Not <u>)", True),
        ('(<t> ["e"])', True),
        ('(<t> ["f"])', False),
        ("(<u>) (<t>)", True),
        ("(<t> Not <DAV:no-lock>)", True),
        ("(<DAV:no-lock>)", False),
        ("</other> (<t>)", False),
        ("</other> (<t>) (Not <t>)", True),
        ('(not ["f"])', True),
        ("", True),
    ],
)
def test_it_reads_the_if_header(header: str, holds: bool) -> None:
    states = {"": State('"e"', frozenset({"t"})), "/other": State("", frozenset())}
    assert conditions.parse(header).holds(states.__getitem__) == holds


@pytest.mark.parametrize(
    "header",
    ["()", "(", ")", "<t>", "(<t>", "x", "(Not)", "(Not Not <t>)", '["e"]', "((<t>))", "(<t>) x", "(" * 20_000],
)
def test_it_refuses_an_if_header_that_is_none(header: str) -> None:
    with pytest.raises(DavError) as refused:
        conditions.parse(header)
    assert refused.value.status == 400


def test_it_knows_the_tokens_of_the_if_header() -> None:
    parsed = conditions.parse('</a> (<t> ["e"]) (Not <u>)')
    assert parsed.tokens == {"t", "u"}
    assert parsed.needs_etag
    assert parsed == If(
        (("/a", (Condition(False, "t", False), Condition(True, '"e"', False))), ("/a", (Condition(False, "u", True),)))
    )


def test_it_asks_no_other_server_about_conditions(program: Program) -> None:
    program("PUT", ":a", b"x")
    assert program.status("PUT", ":a", b"y", If='<http://elsewhere.example.org/dav/x> (["e"])') == 502
    assert program.status("PUT", ":a", b"y", If='</dav/Shared with groups/Nobody/x> (["e"])') == 404
