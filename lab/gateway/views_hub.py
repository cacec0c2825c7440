"""Mounts and limits of a server, for the JupyterHub that starts it (deploy/jupyterhub/)."""

from hmac import compare_digest
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from drive.folders import Folder
from drive.storage import StorageError, layout
from lab import group_limits
from lab.launchers import get_launcher
from lab.launchers.jupyterhub import JupyterHubLauncher
from lab.models import Server, State


@require_GET
@never_cache
def mounts_and_limits(request: HttpRequest, username: str, server_id: UUID) -> JsonResponse:
    """404 unless the portal is just having this server started for this person: the Hub then starts nothing."""
    launcher = get_launcher()
    if not isinstance(launcher, JupyterHubLauncher):
        raise Http404
    if not _knows_the_secret(request):
        return JsonResponse({"message": "Invalid secret."}, status=403)
    starting = Server.objects.filter(pk=server_id, owner__username=username, owner__is_active=True)
    server = starting.filter(state=State.STARTING).select_related("owner", "environment").first()
    if server is None:
        return JsonResponse({"message": "Open your Lab from the portal, which starts it with your Drive."}, status=404)
    mounts = [_with_path(mount) for mount in launcher.mounts_for_start(server.pk)]
    return JsonResponse(
        {
            "server": server.pk.hex,
            "username": server.owner.username,
            "display_name": server.owner.display_name,
            "email": server.owner.email,
            "environment": server.environment.slug,
            "limits": group_limits.applying(server.owner, server.environment).limits,
            "mounts": [mount for mount in mounts if mount["path"]],
            "public": {"folder": Folder.ALL, "path": "public"},
        }
    )


def _knows_the_secret(request: HttpRequest) -> bool:
    wanted = f"Bearer {settings.LAB_HUB_SECRET}"
    return bool(settings.LAB_HUB_SECRET) and compare_digest(
        request.headers.get("Authorization", "").encode(), wanted.encode()
    )


def _with_path(mount: dict[str, str]) -> dict[str, Any]:
    """With where the library is below DRIVE_ROOT; "" while it is not on disk."""
    try:
        path = str(layout.find(UUID(mount["library"])).relative_to(layout.root()))
    except StorageError:
        path = ""
    return mount | {"path": path}
