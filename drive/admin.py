"""Libraries for operators, with their shares."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from portal.admin import AuditedAdmin

from . import services
from .models import Library, Share
from .storage import StorageError, layout


class ShareInline(admin.TabularInline):
    """Who a library is shared with. Shares end here; they are made by the library's owner."""

    model = Share
    extra = 0
    fields = ["user", "collab", "permission", "created_by", "created_at"]
    readonly_fields = ["user", "collab", "permission", "created_by", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Library)
class LibraryAdmin(AuditedAdmin):
    """All libraries, the deleted included. Operators see names and sizes here, not contents."""

    list_display = ["__str__", "owner", "is_public", "created_at", "deleted_at"]
    list_filter = [
        "is_public",
        ("deleted_at", admin.EmptyFieldListFilter),
        ("owner_collab", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["owner_user", "owner_collab"]
    search_fields = ["name", "shared_name", "owner_user__username", "owner_collab__title"]
    readonly_fields = ["name", "shared_name", "owner", "is_default", "is_public", "usage", "created_at", "deleted_at"]
    fields = [*readonly_fields]
    inlines = [ShareInline]
    actions = ["delete_softly", "restore", "settle"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="owner")
    def owner(self, obj: Library) -> str:
        """The person or the Collab."""
        return str(obj.owner_user or obj.owner_collab)

    @admin.display(description="usage")
    def usage(self, obj: Library) -> str:
        """Counted when the page is opened."""
        try:
            size, files = layout.usage(obj)
        except (OSError, StorageError) as error:
            return str(error)
        return f"{filesizeformat(size)} in {files} files"

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Ending a share goes through the service: audited, and running servers follow."""
        formset.save(commit=False)
        for share in formset.deleted_objects:
            services.unshare(request.user, share)

    @admin.action(description="Delete (kept for 30 days)", permissions=["change"])
    def delete_softly(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Only people's own libraries; a Collab's goes with its Collab."""
        for library in queryset.filter(deleted_at=None, is_default=False, owner_collab=None):
            services.delete_library(request.user, library)

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Bulk action."""
        for library in queryset.exclude(deleted_at=None).filter(owner_collab=None):
            try:
                services.restore_library(request.user, library)
            except ValidationError as error:
                self.message_user(request, f"{library}: {' '.join(error.messages)}", messages.ERROR)

    @admin.action(description="Repair the directory on disk", permissions=["change"])
    def settle(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Make the disk agree with the row."""
        for library in queryset:
            try:
                layout.settle(library.pk)
            except OSError as error:
                self.message_user(request, f"{library}: {error}", messages.ERROR)
