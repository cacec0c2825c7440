"""Template tags: announcements on every page; the dashboard on the administration's first page."""

from typing import Any

from django import template

from console import announcements, dashboard

register = template.Library()


@register.inclusion_tag("console/_announcements.html", takes_context=True)
def announcements_here(context: dict[str, Any]) -> dict[str, Any]:
    """Current announcements; none without a request, as on an error page."""
    request = context.get("request")
    shown = announcements.showing(request) if request else []
    return {"announcements": shown, "here": request.get_full_path() if request else "/", "request": request}


@register.inclusion_tag("console/_dashboard.html", takes_context=True)
def dashboard_panels(context: dict[str, Any]) -> dict[str, Any]:
    """Panels of the dashboard and latest audit entries."""
    request = context["request"]
    return {"panels": dashboard.panels(request), "latest": dashboard.latest(request)}
