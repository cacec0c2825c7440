"""Addresses of the EBRAINS wiki, which stand in papers and notebooks."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.generic import RedirectView

to_collab = RedirectView.as_view(pattern_name="collabs:page", permanent=False)


def page_of_wiki(request: HttpRequest, slug: str, rest: str = "") -> HttpResponseBase:
    """The wiki's pages are not here; their Collab is."""
    return to_collab(request, slug=slug)


urlpatterns = [
    path("<slug:slug>", page_of_wiki),
    path("<slug:slug>/", page_of_wiki),
    path("<slug:slug>/<path:rest>", page_of_wiki),
]
