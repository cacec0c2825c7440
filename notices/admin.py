"""Administration of notices: delivery and failed mails."""

from django.contrib import admin

from portal.admin import ReadOnlyAdmin

from .models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Notices, read-only and without their text, which is private."""

    list_display = ["created_at", "user", "kind", "subject", "read_at", "mail", "mail_tries"]
    list_filter = ["kind", "mail"]
    search_fields = ["user__username", "subject"]
    list_select_related = ["user"]
    fields = ["user", "kind", "subject", "url", "created_at", "read_at", "mail", "mail_tries", "mail_again_at"]
