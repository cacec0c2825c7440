"""For every page: what operators announce. For the first page of the administration: how the site is."""

from typing import Any

from django import template

from console import announcements, dashboard

register = template.Library()


@register.inclusion_tag("console/_announcements.html", takes_context=True)
def announcements_here(context: dict[str, Any]) -> dict[str, Any]:
    """Nothing where there is no request (an error page may have none)."""
    request = context.get("request")
    shown = announcements.showing(request) if request else []
    return {"announcements": shown, "here": request.get_full_path() if request else "/", "request": request}


@register.inclusion_tag("console/_dashboard.html", takes_context=True)
def dashboard_panels(context: dict[str, Any]) -> dict[str, Any]:
    """The panels."""
    request = context["request"]
    return {"panels": dashboard.panels(request), "latest": dashboard.latest(request)}
