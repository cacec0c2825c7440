"""How pages travel: compressed where nothing can be learned from their length, and once where nothing changed."""

import gzip
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from collabs import favourites
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from drive.libraries import public_links
from drive.models import Library
from drive.storage import ABSENT, layout
from lab.models import Environment, Server, State
from notices.models import Kind, Notice
from portal.accounts import services as account_services
from portal.models import User
from portal.web.delivery import LEAST_BYTES, CompressionMiddleware, UnchangedPageMiddleware

pytestmark = pytest.mark.django_db
GZIP = {"Accept-Encoding": "gzip, br"}
WORDS = b"<p>Something that can be said in fewer bytes.</p>" * 100


# What did not change


@pytest.mark.parametrize("address", ["/", "/collabs/", "/drive/", "/collabs/cortex/", "/collabs/cortex/files/"])
def test_an_unchanged_page_is_not_sent_again(sign_in, owner: User, collab: Collab, address: str) -> None:
    client = sign_in(owner)
    first = client.get(address)
    assert first["Cache-Control"] == "private, no-cache"
    assert "Cookie" in first["Vary"]
    second = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second["ETag"] == first["ETag"]
    assert second["Cache-Control"] == "private, no-cache"
    assert "Cookie" in second["Vary"]


def test_the_forms_of_a_page_that_is_kept_still_work(owner: User, collab: Collab) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    address = collab.get_absolute_url()
    page = client.get(address)
    assert client.get(address, headers={"If-None-Match": page["ETag"]}).status_code == 304
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
    sent = client.post(f"{address}favourite/", {"do": "mark", "csrfmiddlewaretoken": token})
    assert sent.status_code == 302
    assert collab.favourites.filter(user=owner).exists()


def test_another_secret_of_tokens_is_another_page(owner: User, collab: Collab) -> None:
    client = Client()
    client.force_login(owner)
    page = client.get("/collabs/new/")
    client.cookies["portal_csrf"] = secrets.token_hex(16)
    assert client.get("/collabs/new/", headers={"If-None-Match": page["ETag"]}).status_code == 200


def test_nobody_gets_what_another_person_has(
    sign_in, owner: User, viewer: User, stranger: User, collab: Collab
) -> None:
    tags = {user: sign_in(user).get("/")["ETag"] for user in (owner, viewer, stranger)}
    assert len({*tags.values(), Client().get("/")["ETag"]}) == 4


def test_who_is_signed_out_is_not_told_that_nothing_changed(sign_in, owner: User) -> None:
    client = sign_in(owner)
    tag = client.get("/drive/")["ETag"]
    client.logout()
    assert client.get("/drive/", headers={"If-None-Match": tag}).status_code == 302


@pytest.mark.parametrize("address", ["/no/such/page", "/collabs/none/"])
def test_errors_have_no_tag(client: Client, address: str) -> None:
    assert "ETag" not in client.get(address)


# Every event that changes what a page shows, of that person and of others


def mark(owner: User, other: User, collab: Collab) -> None:
    favourites.mark(owner, collab)


def change_role(owner: User, other: User, collab: Collab) -> None:
    collab_services.change_role(owner, collab, other, Role.VIEWER)


def rename(owner: User, other: User, collab: Collab) -> None:
    collab_services.update_collab(
        owner, collab, title="Another", description="Other words", is_public=False, tags=["x"]
    )


def archive(owner: User, other: User, collab: Collab) -> None:
    collab_services.archive_collab(owner, collab)


def write(owner: User, other: User, collab: Collab) -> None:
    operations.write(owner, Library.objects.get(owner_collab=collab), "new.md", b"# New", if_match=ABSENT)


def tell(owner: User, other: User, collab: Collab) -> None:
    for user in (owner, other):
        Notice.objects.create(user=user, kind=Kind.ROLE, subject="Something happened")


def start(owner: User, other: User, collab: Collab) -> None:
    environment = Environment.objects.get_or_create(slug="base", defaults={"name": "Base"})[0]
    for user in (owner, other):
        Server.objects.create(owner=user, environment=environment, state=State.STARTING, changed_at=timezone.now())


@pytest.mark.parametrize(
    ("change", "who", "addresses"),
    [
        (mark, "owner", ["/", "/collabs/", "/collabs/cortex/"]),
        (change_role, "editor", ["/", "/collabs/", "/collabs/cortex/", "/collabs/cortex/files/", "/drive/"]),
        (change_role, "owner", ["/collabs/cortex/"]),
        (rename, "editor", ["/", "/collabs/", "/collabs/cortex/", "/collabs/cortex/files/", "/drive/"]),
        (archive, "editor", ["/collabs/cortex/", "/collabs/cortex/files/", "/drive/"]),
        (write, "editor", ["/", "/collabs/cortex/", "/collabs/cortex/files/"]),
        (start, "editor", ["/", "/collabs/", "/drive/"]),
        (tell, "editor", ["/", "/collabs/", "/drive/", "/collabs/cortex/files/"]),
    ],
)
def test_what_changed_is_sent_at_once(
    sign_in, owner: User, editor: User, collab: Collab, change: Callable[..., None], who: str, addresses: list[str]
) -> None:
    client = sign_in({"owner": owner, "editor": editor}[who])
    tags = {address: client.get(address)["ETag"] for address in addresses}
    change(owner, editor, collab)
    for address, tag in tags.items():
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 200, address


def remove(owner: User, editor: User, collab: Collab) -> None:
    collab_services.remove_member(owner, collab, editor)


def delete(owner: User, editor: User, collab: Collab) -> None:
    collab_services.delete_collab(owner, collab)


def deactivate(owner: User, editor: User, collab: Collab) -> None:
    account_services.deactivate(None, editor)


@pytest.mark.parametrize("change", [remove, delete, deactivate])
def test_a_page_that_may_be_seen_no_more_is_never_unchanged(
    sign_in, owner: User, editor: User, collab: Collab, change: Callable[..., None]
) -> None:
    client = sign_in(editor)
    addresses = ["/", "/collabs/", "/collabs/cortex/", "/collabs/cortex/files/", "/drive/"]
    tags = {address: client.get(address)["ETag"] for address in addresses}
    change(owner, editor, collab)
    for address, tag in tags.items():
        answer = client.get(address, headers={"If-None-Match": tag})
        assert answer.status_code != 304, address
        assert "Cortex" not in answer.text, address


# Compression


def answered(
    content: bytes = WORDS, path: str = "/", headers: dict[str, str] | None = None, **options: str
) -> HttpResponse:
    """A page as it leaves the site."""
    request = RequestFactory().get(path, headers=GZIP if headers is None else headers)
    return delivered(request, lambda _request: HttpResponse(content, **options))


def delivered(request: HttpRequest, view: Callable[[HttpRequest], Any]) -> Any:
    """What the two middlewares make of the view's answer."""
    return CompressionMiddleware(UnchangedPageMiddleware(view))(request)


def test_a_page_is_compressed_for_who_can_read_it() -> None:
    answer = answered()
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    assert int(answer["Content-Length"]) == len(answer.content) < len(WORDS) / 5
    assert gzip.decompress(answer.content) == WORDS
    assert answered(headers={}).content == WORDS


def test_its_length_tells_little_of_what_is_in_it() -> None:
    assert len({len(answered().content) for _ in range(60)}) > 10


@pytest.mark.parametrize(
    "answer",
    [
        lambda: answered(path="/account/2fa/"),
        lambda: answered(path="/admin/"),
        lambda: answered(content=b"x" * (LEAST_BYTES - 1)),
        lambda: answered(content_type="application/json"),
        lambda: answered(content_type="application/octet-stream"),
    ],
)
def test_what_may_hold_a_secret_or_is_no_page_stays_as_it_is(answer: Callable[[], HttpResponse]) -> None:
    assert "Content-Encoding" not in answer()


def test_what_is_not_to_be_stored_is_neither_tagged_nor_compressed(rf: RequestFactory) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(WORDS, headers={"Cache-Control": "private, no-store"})

    answer = delivered(rf.get("/", headers=GZIP), view)
    assert answer.content == WORDS
    assert "ETag" not in answer


def test_pages_that_show_addresses_of_public_links_are_not_compressed(sign_in, owner: User, collab: Collab) -> None:
    """Whoever has the address reads the file."""
    library = Library.objects.get(owner_collab=collab)
    operations.write(owner, library, "a.txt", b"a", if_match=ABSENT)
    link = public_links.make_link(owner, library, "a.txt")
    answer = sign_in(owner).get(reverse("drive:links", args=[library.pk]), headers=GZIP)
    assert public_links.address(link) in answer.text
    assert "Content-Encoding" not in answer
    assert "no-store" in answer["Cache-Control"]


def test_what_is_sent_bit_by_bit_is_left_alone(rf: RequestFactory) -> None:
    def view(_request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse([WORDS, WORDS], content_type="text/html")

    answer = delivered(rf.get("/", headers=GZIP), view)
    assert b"".join(answer) == WORDS * 2
    assert "Content-Encoding" not in answer


def test_a_file_that_the_proxy_sends_is_no_page(rf: RequestFactory) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(WORDS, headers={"X-Accel-Redirect": "/_files/a.html", "ETag": '"a"'})

    answer = delivered(rf.get("/", headers=GZIP | {"If-None-Match": '"a"'}), view)
    assert (answer.status_code, answer["ETag"]) == (200, '"a"')
    assert "Content-Encoding" not in answer


def test_a_folder_of_three_hundred_files_takes_few_bytes(sign_in, owner: User, collab: Collab) -> None:
    library = Library.objects.get(owner_collab=collab)
    layout.settle(library.pk)
    for number in range(300):
        (layout.find(library.pk) / f"Measurement {number * 7919 % 1000} of run {number}.csv").write_bytes(b"x" * number)
    answer = sign_in(owner).get("/collabs/cortex/files/", headers=GZIP)
    assert answer["Content-Encoding"] == "gzip"
    assert len(answer.content) <= 25_000


# Links that are pressed


def test_pages_tell_the_rules_for_pressed_links(sign_in, owner: User) -> None:
    told = sign_in(owner).get("/collabs/")["Speculation-Rules"]
    assert told == '"/static/speculation/pressed_links.speculationrules"'


def test_what_is_not_to_be_stored_prefetches_nothing(sign_in, owner: User, collab: Collab) -> None:
    answer = sign_in(owner).get(reverse("drive:links", args=[collab.library.pk]))
    assert "no-store" in answer["Cache-Control"]
    assert "Speculation-Rules" not in answer
