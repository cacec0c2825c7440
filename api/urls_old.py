"""Addresses of the EBRAINS wiki, which stand in papers and notebooks."""

from django.urls import path
from django.views.generic import RedirectView

to_collab = RedirectView.as_view(pattern_name="collabs:page", permanent=True)


def _without_rest(request, slug, rest=""):  # type: ignore[no-untyped-def]
    return to_collab(request, slug=slug)


urlpatterns = [
    path("<slug:slug>", _without_rest),
    path("<slug:slug>/", _without_rest),
    path("<slug:slug>/<path:rest>", _without_rest),
]
