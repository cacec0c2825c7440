"""The proxy serves what is published of JupyterLab from disk, to anybody, and sends the rest on to the Lab."""

import gzip
from pathlib import Path

import brotli
import nginx
import pytest

from ..support.proxy_backends import Answer, Proxy

pytestmark = pytest.mark.sandbox

BUILD = "0123456789abcdef0123456789abcdef"
STATIC = f"/.collaboratory/jupyterlab/static/{BUILD}"
EXTENSIONS = f"/.collaboratory/jupyterlab/extensions/{BUILD}"
PROGRAM = b"function of(jupyterlab) { return jupyterlab; }" * 100


@pytest.fixture
def folder(proxy: Proxy) -> Path:
    folder = proxy.directory / "lab/static/files" / BUILD
    (folder / "a b").mkdir(parents=True)
    for name in ("main.js", "a b/é.js"):
        (folder / name).write_bytes(PROGRAM)
        (folder / f"{name}.gz").write_bytes(gzip.compress(PROGRAM))
        (folder / f"{name}.br").write_bytes(brotli.compress(PROGRAM))
    (folder.parent / "secret.js").write_bytes(b"secret")
    (folder / "link.js").symlink_to(folder.parent / "secret.js")
    proxy.auth = Answer(401)  # nobody is signed in, no server runs
    return folder


def test_it_serves_published_files_for_ever_without_a_pass(proxy: Proxy, folder: Path) -> None:
    for address in (f"{STATIC}/main.js?v=1", f"{EXTENSIONS}/a%20b/%C3%A9.js"):
        answer = proxy.lab(address)
        assert (answer.status, answer.body) == (200, PROGRAM)
        assert answer.headers["content-type"] == "application/javascript"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert not proxy.portal.seen
    assert not proxy.jupyter.seen


def test_a_picture_of_somebody_elses_package_runs_nothing_on_ones_origin(proxy: Proxy, folder: Path) -> None:
    (folder / "evil.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(origin)</script></svg>')
    (folder / "evil.html").write_text("<script>alert(origin)</script>")
    for name in ("evil.svg", "evil.html"):
        policy = proxy.lab(f"{EXTENSIONS}/{name}").headers["content-security-policy"]
        assert policy.startswith("sandbox; default-src 'none';"), name


def test_it_sends_them_as_they_were_packed(proxy: Proxy, folder: Path) -> None:
    packed = proxy.lab(f"{STATIC}/main.js", "Accept-Encoding: gzip", "Via: 1.1 another.proxy")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.body == (folder / "main.js.gz").read_bytes()
    best = proxy.lab(f"{STATIC}/main.js", "Accept-Encoding: gzip, deflate, br, zstd")
    if nginx.loads(nginx.BROTLI):
        assert best.headers["content-encoding"] == "br"
        assert best.headers["vary"] == "Accept-Encoding"
        assert best.body == (folder / "main.js.br").read_bytes()
    else:
        assert best.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        (f"{STATIC}/other.js?v=1", "/static/lab/other.js?v=1"),
        (f"{EXTENSIONS}/@a/b/static/a%20b.js", "/lab/extensions/@a/b/static/a%20b.js"),
        (f"{STATIC}/link.js", "/static/lab/link.js"),
        (f"{STATIC.replace('0', '1')}/main.js", "/static/lab/main.js"),
    ],
)
def test_it_sends_on_to_the_persons_server_what_is_not_published(
    proxy: Proxy, folder: Path, address: str, elsewhere: str
) -> None:
    answer = proxy.lab(address)
    assert (answer.status, answer.headers["location"]) == (307, elsewhere)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        f"{STATIC}/../secret.js",
        f"{STATIC}/%2e%2e/secret.js",
        f"{STATIC}/..%2fsecret.js",
        f"{STATIC}/x/../../secret.js",
        f"{STATIC}//../secret.js",
        f"{STATIC}/..%00/secret.js",
        f"{STATIC}/a%0d%0aLocation:%20secret.js",
        f"{STATIC}/",
        f"{STATIC}",
        "/.collaboratory/jupyterlab/static/secret.js",
        "/.collaboratory/jupyterlab/static/../secret.js",
        "/.collaboratory/jupyterlab/secret.js",
        f"/.collaboratory/jupyterlab/other/{BUILD}/main.js",
    ],
)
def test_it_serves_nothing_else(proxy: Proxy, folder: Path, address: str) -> None:
    answer = proxy.lab(address)
    assert answer.status in (400, 404)
    assert b"secret" not in answer.body


def test_they_are_no_addresses_of_the_portal(proxy: Proxy, folder: Path) -> None:
    assert proxy.ask(f"{STATIC}/main.js").body == b"page"
