"""Administration of personal access tokens: owner, purpose, last use; revocation."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone

from portal.admin import ReadOnlyAdmin

from . import services
from .models import Scope, Token


class StateFilter(admin.SimpleListFilter):
    """Filter: tokens that work, and why the others do not."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("usable", "Works"),
            ("expired", "Expired"),
            ("revoked", "Revoked"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "usable":
                return queryset.usable()
            case "expired":
                return queryset.filter(revoked_at=None, expires_at__lte=timezone.now())
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


class ScopeFilter(admin.SimpleListFilter):
    """Filter: tokens with a scope. No database is asked for what is in JSON: SQLite cannot say."""

    title = "scope"
    parameter_name = "scope"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(scope.value, scope.value) for scope in Scope]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in Scope.values:
            return queryset
        return queryset.annotate(scopes_text=Cast("scopes", models.TextField())).filter(
            scopes_text__contains=f'"{self.value()}"'
        )


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """All tokens. Secrets are not stored, so they are not shown."""

    list_display = ["user", "name", "hint", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [StateFilter, ScopeFilter, ("last_used_at", admin.EmptyFieldListFilter), "expires_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "name", "hint"]
    date_hierarchy = "created_at"
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[Token]) -> None:
        """Revoke the chosen tokens."""
        tokens = queryset.select_related("user")
        self.change_each(request, tokens, lambda token: services.revoke_token(request.user, token), "Revoked")  # type: ignore[arg-type]
