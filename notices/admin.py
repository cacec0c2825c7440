"""Messages, for operators: what was sent, what mail failed."""

from django.contrib import admin
from django.http import HttpRequest

from .models import Notice


@admin.register(Notice)
class NoticeAdmin(admin.ModelAdmin):
    """Read-only: whether a message reached somebody. Its text is theirs."""

    list_display = ["created_at", "user", "kind", "subject", "read_at", "mail", "mail_tries"]
    list_filter = ["kind", "mail"]
    search_fields = ["user__username", "subject"]
    list_select_related = ["user"]
    fields = ["user", "kind", "subject", "url", "created_at", "read_at", "mail", "mail_tries", "mail_again_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
