"""The file that a person is on the way to, shown on the page of a Lab that is not there yet: as on its own page."""

from django.http import HttpRequest

from drive.browser import views_file
from drive.files.library_access import access_by
from drive.storage import StorageError
from lab.locations import paths
from lab.locations.paths import Location
from portal.access import person


def at_place(request: HttpRequest, place: str) -> dict[str, object]:
    """`at_location`, of an address on the Lab's origin; empty for "" and for what leads to no file."""
    path = paths.path_at(place) if place else ""
    return at_location(request, paths.locate(person(request), path)) if path else {}


def at_location(request: HttpRequest, location: Location) -> dict[str, object]:
    """Context of `drive/_preview.html`; empty where there is no file, or nothing to see of it."""
    if location.library is None or location.entry is None or not location.inside:
        return {}
    try:
        return views_file.preview_context(request, access_by(location.library, location.entry), location.inside)
    except StorageError:
        return {}
