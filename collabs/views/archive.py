"""Archive a Collab, and restore it from the archive."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
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
    messages.success(
        request, gettext("%(title)s was archived. Its files can be read but not changed.") % {"title": collab.title}
    )
    return redirect("collabs:settings", slug)


@require_POST
def unarchive(request: HttpRequest, slug: str) -> HttpResponse:
    """Restore from the archive."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.unarchive_collab(person(request), collab)
    messages.success(request, gettext("%(title)s was restored from the archive.") % {"title": collab.title})
    return redirect("collabs:settings", slug)
