"""Administration of announcements and failed tasks."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from portal.admin import AuditedAdmin, ReadOnlyAdmin

from . import announcements, failed_tasks
from .models import Announcement, FailedTask


@admin.register(Announcement)
class AnnouncementAdmin(AuditedAdmin):
    """Announcements on every page, which end by themselves."""

    list_display = ["text", "level", "begins_at", "ends_at"]
    list_filter = ["level"]
    search_fields = ["text"]
    actions = ["end"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    def save_model(self, request: HttpRequest, obj: Announcement, form: Any, change: bool) -> None:
        """Save by the service, which audits."""
        announcements.save(request.user, obj, is_new=not change)  # type: ignore[arg-type]

    @admin.action(description="End now", permissions=["change"])
    def end(self, request: HttpRequest, queryset: models.QuerySet[Announcement]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda row: announcements.end(request.user, row), "Ended")  # type: ignore[arg-type]


@admin.register(FailedTask)
class FailedTaskAdmin(ReadOnlyAdmin):
    """Failed tasks of the last month: read-only, with a retry."""

    list_display = ["failed_at", "name", "arguments", "error", "retried_at"]
    list_filter = ["name", ("retried_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "arguments", "error", "task_id"]
    date_hierarchy = "failed_at"
    actions = ["retry"]

    @admin.action(description="Retry", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: models.QuerySet[FailedTask]) -> None:
        """Bulk action."""
        done = sum(failed_tasks.retry(request.user, failed) for failed in queryset)  # type: ignore[arg-type]
        self.message_user(
            request, f"{done} of {len(queryset)} queued again. The others were retried before, or no longer exist."
        )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """As for changing one."""
        return request.user.has_perm("console.change_failedtask")
