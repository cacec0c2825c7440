"""Dismissing an announcement; for operators, access report of a person, launch statistics, sizes of tables."""

import csv
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from lab.models import Pause
from portal import audit
from portal.models import User
from portal.ops.health import HEALTH

from . import announcements, user_access_report
from . import launch_stats as figures
from . import usage as monthly
from .retention.tables import tables
from .site_status import services as site_status_of_parts

DISMISSED_FOR = 90 * 24 * 3600
PER_PAGE = 100
MOST_PAUSES = 20


@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Dismiss an announcement in this browser; redirects back to its page."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "/"
    response = redirect(target)
    gone = sorted({*announcements.dismissed(request), pk})[-50:]
    value = ".".join(str(number) for number in gone)
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(announcements.COOKIE, value, DISMISSED_FOR, secure=secure, httponly=True, samesite="Lax")
    return response


@never_cache
@require_GET
def site_status(request: HttpRequest) -> HttpResponse:
    """Show everybody what works now, and when maintenance is; without reasons, which are for operators."""
    now = timezone.now()
    services = list(site_status_of_parts(HEALTH.ask(), paused=Pause.objects.current() is not None))
    context = {
        "services": services,
        "works": all(service.works for service in services),
        "paused": any(service.paused for service in services),
        "pauses": Pause.objects.filter(ends_at__gt=now).order_by("starts_at")[:MOST_PAUSES],
        "now": now,
    }
    return render(request, "console/site_status.html", context)


@never_cache
@require_GET
def user_access(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the access report of a person; viewing it is audited."""
    if not request.user.has_perm("console.see_as_person"):
        raise PermissionDenied
    looked_at = get_object_or_404(User, pk=pk)
    seen = user_access_report.report(looked_at)
    if "page" not in request.GET:
        audit.record(request.user, "account.looked-at", looked_at)  # type: ignore[arg-type]
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": f"What {looked_at.username} can access, and why",
        "looked_at": looked_at,
        "seen": seen,
        "collabs": Paginator(seen.collabs, PER_PAGE).get_page(request.GET.get("page")),
        "libraries": Paginator(seen.libraries, PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "console/user_access_report.html", context)


@never_cache
@require_GET
def launches(request: HttpRequest) -> HttpResponse:
    """Show launch statistics and failed starts."""
    if not request.user.has_perm("lab.view_server"):
        raise PermissionDenied
    period = request.GET.get("period", "week")
    if period not in figures.PERIODS:
        raise Http404
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "Lab starts",
        "period": period,
        "periods": figures.PERIODS,
        "starts": figures.starts(period),
        "failures": figures.failures(period),
        "fork_servers": figures.fork_servers(),
    }
    return render(request, "console/launch_stats.html", context)


@never_cache
@require_GET
def database(request: HttpRequest) -> HttpResponse:
    """Show the sizes of the database's tables, and how long their rows are kept."""
    if not request.user.has_perm("console.view_failedtask"):
        raise PermissionDenied
    found = tables()
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "Database",
        "tables": found,
        "known": any(table.size is not None for table in found),
        "total": sum(table.size or 0 for table in found),
    }
    return render(request, "console/database_tables.html", context)


@never_cache
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """Show what people and Collabs stored and used in a month, and all months in bars."""
    _check_may_see_usage(request)
    months = monthly.months()
    chosen = request.GET.get("month", "")
    found = [bar.month for bar in months if not chosen or f"{bar.month:%Y-%m}" == chosen]
    if chosen and not found:
        raise Http404
    rows = monthly.rows(found[0]) if found else monthly.MonthlyUsage.objects.none()
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "Storage, Lab time and processor time",
        "months": months,
        "month": found[0] if found else None,
        "rows": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "counted_at": monthly.counted_at(),
        "how_counted": monthly.how_processor_time_is_counted(),
    }
    return render(request, "console/usage.html", context)


@never_cache
@require_GET
def usage_csv(request: HttpRequest) -> HttpResponseBase:
    """All months as CSV. Names are usernames and slugs, in which no spreadsheet sees a formula."""
    _check_may_see_usage(request)
    lines = csv.writer(_Echo())
    response = StreamingHttpResponse((lines.writerow(row) for row in monthly.csv_rows()), content_type="text/csv")
    response["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return response


def _check_may_see_usage(request: HttpRequest) -> None:
    if not (request.user.has_perm("drive.view_library") and request.user.has_perm("lab.view_server")):
        raise PermissionDenied


class _Echo:
    """A file that gives back what is written, for csv.writer."""

    def write(self, text: str) -> str:
        return text
