"""PROPFIND and PROPPATCH: what is told, in flat memory, and what a body cannot do."""

import gc
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from drive.models import Library
from portal.models import User
from webdav import listing
from webdav.models import Property

from .conftest import Dav, Program

pytestmark = pytest.mark.django_db
BOMB = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"


def patch(inner: str) -> str:
    return f"<D:propertyupdate xmlns:D='DAV:' xmlns:x='urn:x'>{inner}</D:propertyupdate>"


def store(inner: str) -> str:
    return patch(f"<D:set><D:prop>{inner}</D:prop></D:set>")


def test_it_lists_the_drive_as_a_lab_does(program: Program, place: Path) -> None:
    assert program.find("", depth="1").hrefs() == [
        "/dav/",
        "/dav/My%20Libraries/",
        "/dav/Shared%20with%20me/",
        "/dav/Shared%20with%20groups/",
        "/dav/Shared%20with%20all/",
    ]
    (place / "data").mkdir()
    (place / "data/a b.csv").write_bytes(b"123")
    found = program.find(":data", depth="1")
    assert found.hrefs() == [f"/dav/Shared%20with%20groups/Cortex/data{end}" for end in ("/", "/a%20b.csv")]
    one = program.find(":data/a b.csv")
    values = {name: getattr(one.prop(f"{{DAV:}}{name}"), "text", "") for name in ("displayname", "getcontentlength")}
    assert values == {"displayname": "a b.csv", "getcontentlength": "3"}
    assert one.prop("{DAV:}resourcetype") is not None
    assert one.prop("{DAV:}resourcetype/{DAV:}collection") is None
    assert one.prop("{DAV:}getetag") is not None


def test_it_tells_what_it_does_not_know(program: Program) -> None:
    found = program.find(":", "displayname", "getcontentlength", "x xmlns='urn:x'", "y xmlns=''")
    stats = found.xml.findall("{DAV:}response/{DAV:}propstat")
    by_status = {stat.findtext("{DAV:}status"): [one.tag for one in stat.find("{DAV:}prop")] for stat in stats}  # type: ignore[union-attr]
    assert by_status == {
        "HTTP/1.1 200 OK": ["{DAV:}displayname"],
        "HTTP/1.1 404 Not Found": ["{DAV:}getcontentlength", "{urn:x}x", "y"],
    }


def test_it_names_properties_and_includes_others(program: Program) -> None:
    names = program("PROPFIND", ":", "<propfind xmlns='DAV:'><propname/></propfind>", Depth="0")
    assert names.prop("{DAV:}displayname").text is None  # type: ignore[union-attr]
    more = "<propfind xmlns='DAV:'><allprop/><include><quota-used-bytes/></include></propfind>"
    answer = program("PROPFIND", ":", more, Depth="0")
    assert answer.prop("{DAV:}quota-used-bytes").text == "0"  # type: ignore[union-attr]
    assert answer.prop("{DAV:}displayname").text == "Cortex"  # type: ignore[union-attr]


def test_it_refuses_a_walk_of_everything(program: Program) -> None:
    for path in ("", "My Libraries", ":"):
        for headers in ({"Depth": "infinity"}, {}):
            answer = program("PROPFIND", path, **headers)
            assert answer.status == 403
            assert b"propfind-finite-depth" in answer.body
    assert program.status("PROPFIND", ":", Depth="2") == 400
    program("PUT", ":a", b"x")
    assert program.status("PROPFIND", ":a") == 207


@pytest.mark.parametrize(
    "body",
    [
        f"{BOMB}<propfind xmlns='DAV:'><prop><x>&b;</x></prop></propfind>",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><propfind xmlns='DAV:'><allprop/></propfind>",
        "<propfind xmlns='DAV:'>" + "<a>" * 1000 + "</a>" * 1000 + "</propfind>",
        "<propfind xmlns='DAV:'><allprop>",
        "<propfind xmlns='DAV:'><prop><x:y xmlns:x=''/></prop></propfind>",
        "<other xmlns='DAV:'/>",
        "<propfind xmlns='DAV:'/>",
        "<?xml version='1.0' encoding='klingon'?><propfind xmlns='DAV:'><allprop/></propfind>",
        b"\xff\xfe\x00",
        "no xml",
    ],
)
def test_it_refuses_a_body_that_is_none(program: Program, body: str | bytes) -> None:
    for method in ("PROPFIND", "PROPPATCH", "LOCK"):
        answer = program(method, ":", body, Depth="0")
        assert answer.status == 400, method
        assert b"root:" not in answer.body


def test_it_reads_no_large_body(program: Program) -> None:
    assert program.status("PROPFIND", ":", b" " * 300_000, Depth="0") == 413


@pytest.mark.slow
def test_it_lists_a_large_folder_in_flat_memory_and_few_queries(
    program: Program, library: Library, place: Path, editor: User
) -> None:
    few, many = 400, 4000
    for number in range(many):
        (place / f"a file with a name {number:06}").touch()
        if number == few:
            peak_of_few, queries_of_few = measure(program)
    peak, queries = measure(program)
    assert peak < 1.5 * peak_of_few
    assert queries <= queries_of_few + 3 * (many // listing.BATCH)


def measure(program: Program) -> tuple[int, int]:
    """Peak of memory and number of queries of a listing that is read part by part.

    The smaller peak of two: what is loaded or collected by chance meanwhile is not the listing's.
    """
    peaks, queries = zip(measure_once(program), measure_once(program), strict=True)
    return min(peaks), max(queries)


def measure_once(program: Program) -> tuple[int, int]:
    """As `measure`, of one listing."""
    gc.collect()
    headers = {"Authorization": f"Bearer {program.secret}", "Depth": "1"}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = program.client.generic("PROPFIND", program.address(":"), headers=headers)
        tracemalloc.start()
        try:
            for _part in response:
                pass
            return tracemalloc.get_traced_memory()[1], len(queries)
        finally:
            tracemalloc.stop()


@pytest.mark.slow
def test_it_keeps_what_programs_store(program: Program, place: Path) -> None:
    program("MKCOL", ":f")
    program("PUT", ":f/a", b"x")
    value = "<x:tag kind='y'>a<b xmlns=''>&lt;&#x1F600;</b></x:tag>"
    assert b"200 OK" in program("PROPPATCH", ":f/a", store(value)).body
    found = program.find(":f/a", "tag xmlns='urn:x'").prop("{urn:x}tag")
    assert found is not None
    assert ET.tostring(found, encoding="unicode").count("\U0001f600") == 1
    assert (found.get("kind"), found.find("b").text) == ("y", "<\U0001f600")  # type: ignore[union-attr]
    assert program.find(":f/a").prop("{urn:x}tag") is not None
    program("COPY", ":f", Destination=":g")
    program("MOVE", ":f", Destination=":h")
    for path, is_there in ((":g/a", True), (":h/a", True)):
        assert (program.find(path).prop("{urn:x}tag") is not None) == is_there
    program("DELETE", ":h/a")
    program("PUT", ":h/a", b"another")
    assert program.find(":h/a").prop("{urn:x}tag") is None
    (place / "g/a").unlink()  # a notebook
    program("PUT", ":g/a", b"another")
    assert program.find(":g/a").prop("{urn:x}tag") is None
    assert not Property.objects.exists()


def test_it_stores_all_or_nothing_and_nothing_of_its_own(program: Program) -> None:
    program("PUT", ":a", b"x")
    answer = program("PROPPATCH", ":a", store("<x:one>1</x:one><D:getetag>mine</D:getetag>"))
    stats = answer.xml.findall("{DAV:}response/{DAV:}propstat")
    assert {stat.findtext("{DAV:}status"): stat.find("{DAV:}prop")[0].tag for stat in stats} == {  # type: ignore[index]
        "HTTP/1.1 403 Forbidden": "{DAV:}getetag",
        "HTTP/1.1 424 Failed Dependency": "{urn:x}one",
    }
    assert not Property.objects.exists()
    program(
        "PROPPATCH",
        ":a",
        patch("<D:set><D:prop><x:one/></D:prop></D:set><D:remove><D:prop><x:one/></D:prop></D:remove>"),
    )
    assert not Property.objects.exists()
    assert program.status("PROPPATCH", ":a", patch("")) == 400
    assert program.status("PROPPATCH", ":absent", store("<x:one/>")) == 404


def test_it_stores_no_more_than_is_good(program: Program) -> None:
    program("PUT", ":a", b"x")
    assert program.status("PROPPATCH", ":a", store(f"<x:one>{'y' * 70_000}</x:one>")) == 507
    many = "".join(f"<x:p{number}/>" for number in range(101))
    assert program.status("PROPPATCH", ":a", store(many)) == 507
    assert not Property.objects.exists()


def test_it_says_errors_where_clients_look_for_them(program: Program, dav: Dav, viewer: User) -> None:
    answer = dav(viewer)("PUT", ":a", b"x")
    assert answer.xml.tag == "{DAV:}error"
    assert "You are a viewer of its Collab." in (answer.xml.findtext("{http://sabredav.org/ns}message") or "")
    assert program("GET", ":a\x01<b>").xml.tag == "{DAV:}error"
