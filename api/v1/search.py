"""Search for files by name, and what has changed in a library."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Query
from pydantic import BaseModel, Field

from api.access import MINUTE, RateLimitError
from api.models import Scope
from api.routing import StrictRouter
from drive.files import changes
from drive.files.library_access import drive_access
from drive.files.search import Hit, Search, everywhere
from drive.storage import shown
from portal.access import person
from search import results
from search.files import FoundFile
from search.files import by_text as text_of_files
from search.words import typed_words

from .files import Asked, entry_out
from .schemas import NO_NUL, EntryOut, Page, Paged, PageSize, each, paged, route

router = StrictRouter(tags=["Search"])
SearchWords = Annotated[
    str, Query(pattern=NO_NUL, min_length=1, max_length=200, description="All in the name, upper case or not.")
]


class HitOut(BaseModel):
    """File or folder that was found."""

    library: UUID
    entry: EntryOut


class HitsOut(Page[HitOut]):
    """Page of what was found, of 200 at most."""

    is_complete: bool = Field(description="False if there is more than was looked at: 200 results, 200,000 names, 2 s.")


class TextHitOut(BaseModel):
    """File whose text was found."""

    library: UUID
    path: str
    excerpt: str = Field(description="The line with the first of the words, shortened; empty where it was not read.")
    changed_at: datetime
    url: str


class TextHitsOut(BaseModel):
    """Page of files whose text was found."""

    items: list[TextHitOut]
    page: int
    has_more: bool = Field(description="True if there is a next page.")


class ChangeOut(BaseModel):
    """Change of a file, or deletion of a file or folder."""

    path: str
    what: str = Field(description="`changed`: written, moved or restored; `deleted`: in the trash, or gone in a Lab.")
    kind: str = Field(description="`file`; of deletions also `folder`, `link` or `other`.")
    file: int | None = Field(description="Number of the file, which stays when it is renamed; null for deletions.")
    size: int
    at: datetime = Field(description="When the site learned of it.")
    by: str | None = Field(description="Null where nobody knows.")
    via: str


class ChangesOut(BaseModel):
    """Changes, oldest first."""

    items: list[ChangeOut]
    after: str = Field(description="Cursor: send it to get what follows.")
    has_more: bool = Field(description="True if there is more at this moment.")


def _hit_out(hit: Hit, library_id: UUID) -> HitOut:
    return HitOut(library=library_id, entry=entry_out(hit.item, shown(hit.path)))


@router.get("/search", **route(Scope.READ, {200: HitsOut}))
def search_everywhere(request: HttpRequest, paging: Paged, q: SearchWords) -> Any:
    """Search for files and folders by name in all libraries that you can see."""
    search = Search(q)
    everywhere(search, person(request))
    hits = [_hit_out(hit, hit.library.pk) for hit in search.hits if hit.library]
    return _hits_out(search, hits, paging)


@router.get("/search/text", **route(Scope.READ, {200: TextHitsOut}))
def search_text(request: HttpRequest, paging: Paged, q: SearchWords) -> Any:
    """Search the text of Markdown, notebooks, source code and plain text in all libraries that you can see.

    All words, as they begin, in the text, or some of them in the path; newest first, at most 400 files. What was
    written in the last seconds may be missing. Archived Collabs and hidden files are left out.
    """
    asker = person(request)
    if not results.may_search(str(asker.pk)):
        raise RateLimitError("Too many searches. Try again in a minute.", MINUTE)
    first = (paging.page - 1) * paging.page_size
    count = max(0, min(paging.page_size, results.MOST - first))
    found, has_more = text_of_files(asker, typed_words(q), first, count) if count else ([], False)
    hits = [_text_hit_out(hit) for hit in found]
    return TextHitsOut(items=hits, page=paging.page, has_more=has_more and first + count < results.MOST)


def _text_hit_out(hit: FoundFile) -> TextHitOut:
    text = "".join(piece.text for piece in hit.excerpt)
    url = f"{settings.PORTAL_URL}{hit.address}"
    return TextHitOut(library=hit.library, path=hit.path, excerpt=text, changed_at=hit.changed_at, url=url)


@router.get("/{uuid:library_id}/search", **route(Scope.READ, {200: HitsOut}))
def search_library(request: HttpRequest, library_id: UUID, paging: Paged, q: SearchWords, path: str = Asked) -> Any:
    """Search for files and folders by name in a library, or in a folder of it, nearest first; hidden ones are not."""
    access, search = drive_access(request, library_id), Search(q)
    with access.files() as files:
        search.look(files, path.strip("/"))
    return _hits_out(search, [_hit_out(hit, library_id) for hit in search.hits], paging)


def _hits_out(search: Search, hits: list[HitOut], paging: Paged) -> HitsOut:
    page = paged(hits, paging, each(lambda hit: hit))
    return HitsOut(**dict(page), is_complete=not search.cut)


def _change_out(one: changes.Change) -> ChangeOut:
    return ChangeOut(
        path=one.path,
        what="deleted" if one.is_deletion else "changed",
        kind=one.kind,
        file=one.file_id,
        size=one.size,
        at=one.position[0],
        by=one.by.username if one.by else None,
        via=one.via,
    )


@router.get("/{uuid:library_id}/changes", **route(Scope.READ, {200: ChangesOut}))
def list_changes(
    request: HttpRequest,
    library_id: UUID,
    after: Annotated[str, Query(max_length=200, description="Cursor of the answer before; empty to begin.")] = "",
    page_size: PageSize = 50,
    hidden: bool = False,
) -> Any:
    """List changes of a library, oldest first, to be followed: send `after` of each answer in the next request.

    Without `after` the newest changes. What changed within the last minute may be told again. A rename is told by the
    new path alone, and what was deleted for good, or moved to another library, since the last request is not told.
    """
    library = drive_access(request, library_id).library
    found = changes.after(library, after, page_size, hidden=hidden)
    return ChangesOut(items=[_change_out(one) for one in found.items], after=found.cursor, has_more=found.has_more)
