"""The site's addresses, and a view that asks nothing and returns a template without variables."""

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from portal.urls import handler400, handler429, handler500, urlpatterns

__all__ = ["handler400", "handler429", "handler500", "urlpatterns"]

PAGE = engines["django"].from_string(f"<!doctype html><title>Bare</title>{'<p>Nothing is asked for this.</p>' * 200}")


def bare(request: HttpRequest) -> HttpResponse:
    """Empty page, for the cost of Django itself, our middleware and the server."""
    return HttpResponse(PAGE.render())


urlpatterns = [path("_bare", bare), *urlpatterns]
