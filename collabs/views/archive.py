"""Archive a Collab, and restore it from the archive."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from collabs import services
from collabs.access import get_collab
from collabs.models import Role
from portal.access import person


@require_POST
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Archive: everybody keeps reading, nobody writes."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.archive_collab(person(request), collab)
    messages.success(request, f"{collab.title} was archived. Its files can be read but not changed.")
    return redirect("collabs:settings", slug)


@require_POST
def unarchive(request: HttpRequest, slug: str) -> HttpResponse:
    """Restore from the archive."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.unarchive_collab(person(request), collab)
    messages.success(request, f"{collab.title} was restored from the archive.")
    return redirect("collabs:settings", slug)
