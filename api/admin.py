"""Administration of personal access tokens: owner, purpose, last use; revocation."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from portal.admin import ReadOnlyAdmin

from . import services
from .models import Token


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """All tokens. Secrets are not stored, so they are not shown."""

    list_display = ["user", "name", "hint", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "name", "hint"]
    date_hierarchy = "created_at"
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[Token]) -> None:
        """Revoke the chosen tokens."""
        for token in queryset.select_related("user"):
            services.revoke_token(request.user, token)  # type: ignore[arg-type]
        self.message_user(request, "Revoked.")
