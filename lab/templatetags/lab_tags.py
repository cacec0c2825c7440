"""Parts of the Lab in other pages."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.http import urlencode

from lab.models import Server

register = template.Library()


@register.inclusion_tag("lab/_open.html")
def open_in_lab(path: str = "", label: str = "Open in Lab") -> dict[str, Any]:
    """The button that opens the Lab at a path of the Drive."""
    return {"address": lab_address(path), "label": label}


@register.simple_tag
def lab_address(*parts: str) -> str:
    """The lasting link to a path of the Drive, given in parts, in whoever's Lab follows it."""
    path = "/".join(part for part in parts if part)
    return f"{reverse('lab:open')}?{urlencode({'path': path})}" if path else reverse("lab:open")


@register.inclusion_tag("lab/_chip.html", takes_context=True)
def lab_chip(context: dict[str, Any]) -> dict[str, Any]:
    """The header's word on my Lab: off, starting, running and for how long."""
    user = getattr(context.get("request"), "user", None)
    signed_in = user is not None and user.is_authenticated
    return {"signed_in": signed_in, "server": Server.objects.live().filter(owner=user).first() if signed_in else None}


@register.inclusion_tag("lab/_summary.html", takes_context=True)
def lab_summary(context: dict[str, Any]) -> dict[str, Any]:
    """My Lab in a few words, for the home page."""
    user = getattr(context.get("request"), "user", None)
    return {"server": Server.objects.of(user) if user is not None and user.is_authenticated else None}


@register.simple_tag
def rescued_address(rescued: dict[str, Any]) -> str:
    """The Drive's page of the folder that a server's files were copied to."""
    return reverse("drive:path", args=[rescued["library"], rescued["folder"]])
