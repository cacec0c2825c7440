"""Announcements, and tasks that failed."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from portal.admin import AuditedAdmin, ReadOnlyAdmin

from . import announcements, failed_tasks
from .models import Announcement, FailedTask


@admin.register(Announcement)
class AnnouncementAdmin(AuditedAdmin):
    """What stands on every page; it goes by itself when its time is over."""

    list_display = ["text", "level", "begins_at", "ends_at"]
    list_filter = ["level"]
    search_fields = ["text"]
    actions = ["end"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    def save_model(self, request: HttpRequest, obj: Announcement, form: Any, change: bool) -> None:
        """Through the service."""
        announcements.save(request.user, obj, is_new=not change)  # type: ignore[arg-type]

    @admin.action(description="Take off the pages now", permissions=["change"])
    def end(self, request: HttpRequest, queryset: models.QuerySet[Announcement]) -> None:
        """Bulk action."""
        for announcement in queryset:
            announcements.end(request.user, announcement)  # type: ignore[arg-type]


@admin.register(FailedTask)
class FailedTaskAdmin(ReadOnlyAdmin):
    """Work that was given up, for a month; read-only but for doing it again."""

    list_display = ["failed_at", "name", "arguments", "error", "retried_at"]
    list_filter = ["name", ("retried_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "arguments", "error", "task_id"]
    date_hierarchy = "failed_at"
    actions = ["retry"]

    @admin.action(description="Do again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: models.QuerySet[FailedTask]) -> None:
        """Bulk action."""
        done = sum(failed_tasks.retry(request.user, failed) for failed in queryset)  # type: ignore[arg-type]
        self.message_user(
            request, f"{done} of {len(queryset)} are queued again; the others were before, or are no more."
        )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """As for changing one."""
        return request.user.has_perm("console.change_failedtask")
