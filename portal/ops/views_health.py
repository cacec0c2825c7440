"""Addresses for load balancers and monitors: /healthz, /readyz, /metrics."""

import hmac
from ipaddress import ip_address

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from portal.version import VERSION

from .health import HEALTH, PartStatus, overall_status
from .metrics import text as everything


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Liveness: 200 if this process answers; nothing else is checked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: 200 if pages work, else 503; with the status of each part for operators and with METRICS_TOKEN.

    The version is that of the code which answers.
    """
    statuses = HEALTH.ask()
    said: dict[str, object] = {"status": overall_status(statuses), "version": VERSION}
    if has_token(request) or _is_operator(request, statuses):
        said["parts"] = {status.name: status.as_json() for status in statuses}
    return JsonResponse(said, status=503 if said["status"] == "failed" else 200)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics; 404 if not configured, or not for this address; 401 without the right token."""
    if not (settings.METRICS_TOKEN or settings.METRICS_FROM) or not _from_there(request):
        raise Http404
    if settings.METRICS_TOKEN and not has_token(request):
        return HttpResponse("Send METRICS_TOKEN.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(everything(), CONTENT_TYPE_PLAIN_0_0_4)


def _from_there(request: HttpRequest) -> bool:
    if not settings.METRICS_FROM:
        return True
    try:
        given = ip_address(get_adapter().get_client_ip(request))
    except ValueError:
        return False
    return any(given in network for network in settings.METRICS_FROM)


def has_token(request: HttpRequest) -> bool:
    """True if the request has METRICS_TOKEN, compared in constant time."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if not settings.METRICS_TOKEN or kind.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())


def _is_operator(request: HttpRequest, statuses: list[PartStatus]) -> bool:
    """True for staff; not checked while the database is down."""
    database_answers = any(status.name == "database" and status.ok for status in statuses)
    return database_answers and request.user.is_authenticated and request.user.is_staff
