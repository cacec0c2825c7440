"""Template tags of the Lab for other pages."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from django import template
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from lab.formats import binary_size
from lab.locations.paths import InvalidLocationError, drive_path
from lab.models import Server
from portal.addresses import address
from portal.models import User
from portal.prepared_queries import prepared

register = template.Library()
register.filter("binary_size", binary_size)


@register.inclusion_tag("lab/_open.html")
def open_in_lab(path: str = "", label: str = "") -> dict[str, Any]:
    """The button that opens the Lab at a path of the Drive."""
    return {"address": lab_address(path), "label": label or gettext("Open in Lab")}


@register.simple_tag
def lab_address(*parts: str) -> str:
    """The lasting link to a path of the Drive, given in parts, in whoever's Lab follows it."""
    path = "/".join(part for part in parts if part)
    return f"{address('lab:open')}?{urlencode({'path': path})}" if path else address("lab:open")


@register.inclusion_tag("lab/_chip.html", takes_context=True)
def lab_chip(context: dict[str, Any]) -> dict[str, Any]:
    """State of my Lab in the header: off, starting, or the time left."""
    user = getattr(context.get("request"), "user", None)
    signed_in = user is not None and user.is_authenticated
    server = _server(context)
    return {"signed_in": signed_in, "server": server if server and server.is_live else None}


@register.inclusion_tag("lab/_summary.html", takes_context=True)
def lab_summary(context: dict[str, Any]) -> dict[str, Any]:
    """My Lab in a few words, for the home page."""
    return {"server": _server(context)}


def _server(context: dict[str, Any]) -> Server | None:
    """The person's server, asked for once per page."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return None
    if not hasattr(request, "lab_server"):
        request.lab_server = next(iter(_latest(user=user.pk)), None)
    return request.lab_server


@prepared
def _latest(user: int) -> QuerySet[Server]:
    return Server.objects.latest_of(User(pk=user))[:1]


@register.inclusion_tag("lab/_next_after_sign_in.html", takes_context=True)
def on_the_way(context: dict[str, Any]) -> dict[str, Any]:
    """Path or repository that a visitor opens in the Lab after signing in.

    The link may be anybody's, and its words stand on the page where one types a password: nothing but a path or an
    address is shown of them.
    """
    request = context.get("request")
    page, _, query = (request.GET.get("next", "") if request else "").partition("?")
    given = parse_qs(query)
    if page == reverse("lab:git_pull") and (repo := given.get("repo", [""])[0]).startswith(("https://", "http://")):
        return {"repo": repo}
    if page == reverse("lab:open"):
        with suppress(InvalidLocationError):
            return {"path": drive_path(given.get("path", [""])[0])}
    return {}


@register.simple_tag
def rescued_address(rescued: dict[str, Any]) -> str:
    """The Drive's page of the folder that a server's files were copied to."""
    return reverse("drive:path", args=[rescued["library"], rescued["folder"]])
