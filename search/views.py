"""Page of results, and suggestions while somebody types into the header's form."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from portal.web import rate_limits
from portal.web.views_errors import too_many

from . import results
from .results import KINDS, MOST, Wanted

PAGE_SIZE = 20
OVERVIEW = {"files": 6, "text": 6, "collabs": 6, "people": 8}
SUGGESTED = {"files": 5, "text": 3, "collabs": 3, "people": 3}
SHORTEST = 2
"""Characters from which on there are suggestions, but in scripts in which one is a word."""
NAMES = {
    "files": gettext_lazy("Names of files"),
    "text": gettext_lazy("Text of files"),
    "collabs": gettext_lazy("Collabs"),
    "people": gettext_lazy("People"),
}
FOR_VISITORS = ("collabs",)


def _may_search(request: HttpRequest, counts: int = results.PAGE_COUNTS) -> bool:
    user = request.user
    whose = str(user.pk) if user.is_authenticated else rate_limits.address(request)
    return results.may_search(whose, counts)


def _kinds(request: HttpRequest) -> tuple[str, ...]:
    return KINDS if request.user.is_authenticated else FOR_VISITORS


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Results of all kinds, or with `kind` those of one, page by page."""
    text, kinds = results.tidy(request.GET.get("q", "")), _kinds(request)
    if text and not _may_search(request):
        return too_many(request)
    kind = request.GET.get("kind", "")
    kind = kind if kind in kinds else kinds[0] if len(kinds) == 1 else ""
    number = _number(request.GET.get("page", "")) if kind else 1
    counts = {kind: PAGE_SIZE} if kind else {name: OVERVIEW[name] for name in kinds}
    found = results.search(request.user, text, Wanted(counts, (number - 1) * PAGE_SIZE))
    context = {
        "text": text,
        "kind": kind,
        "number": number,
        "kinds": [(name, NAMES[name]) for name in kinds],
        "found": found,
        "groups": [(name, NAMES[name], getattr(found, name), name in found.more) for name in counts],
        "has_next": kind in found.more and number * PAGE_SIZE < MOST,
        "is_cut": kind in found.more and number * PAGE_SIZE >= MOST,
    }
    return render(request, "search/page.html", context)


def _number(text: str) -> int:
    """Of a page; the first for anything else."""
    number = int(text) if text.isdecimal() and len(text) < 4 else 1
    return min(max(number, 1), MOST // PAGE_SIZE)


@require_safe
def suggest(request: HttpRequest) -> HttpResponse:
    """A few results of each kind, as options of the header's combobox. 429 if asked too often."""
    text, kinds = results.tidy(request.GET.get("q", "")), _kinds(request)
    found = results.Results()
    if len(text) >= SHORTEST or not text.isascii():
        if not _may_search(request, 1):
            return HttpResponse(status=429)
        wanted = Wanted({name: SUGGESTED[name] for name in kinds}, described=False)
        found = results.search(request.user, text, wanted)
    groups = [(name, NAMES[name], getattr(found, name)) for name in kinds if getattr(found, name)]
    return render(request, "search/_suggestions.html", {"text": text, "groups": groups, "count": len(found)})
