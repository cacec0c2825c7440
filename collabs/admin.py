"""Collabs for operators: members inline, changes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from portal.admin import AuditedAdmin

from . import services
from .models import Collab, Membership, Role


class MembershipFormSet(BaseInlineFormSet):
    """Refuses what would leave the Collab without an administrator before anything is saved."""

    def clean(self) -> None:
        super().clean()
        kept = [f.cleaned_data for f in self.forms if f.cleaned_data and not f.cleaned_data.get("DELETE")]
        if not any(row.get("role") == Role.ADMINISTRATOR and row["user"].is_active for row in kept):
            raise ValidationError("A Collab needs an active administrator.")


class MembershipInline(admin.TabularInline):
    """The team."""

    model = Membership
    formset = MembershipFormSet
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Collab)
class CollabAdmin(AuditedAdmin):
    """All Collabs, the deleted included."""

    list_display = ["title", "slug", "is_public", "people", "created_at", "deleted_at"]
    list_filter = ["is_public", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "slug", "description", "memberships__user__username"]
    readonly_fields = ["slug", "created_at", "created_by", "deleted_at"]
    inlines = [MembershipInline]
    actions = ["delete_softly", "restore"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Collab]:
        return Collab.all_objects.annotate(team_size=models.Count("memberships"))

    @admin.display(description="people", ordering="team_size")
    def people(self, obj: Any) -> int:
        """Members, inactive ones included."""
        return obj.team_size

    def save_model(self, request: Any, obj: Collab, form: Any, change: bool) -> None:
        """Create and change as the pages do."""
        values = {name: form.cleaned_data[name] for name in ("title", "description", "is_public")}
        if change:
            services.update_collab(request.user, obj, **values)
        else:
            created = services.create_collab(request.user, **values)
            obj.pk, obj.slug = created.pk, created.slug

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Additions first, so that handing over the administrator's role works in one step."""
        formset.save(commit=False)
        collab = form.instance
        for row in formset.new_objects:
            services.add_member(request.user, collab, row.user, Role(row.role))
        changed = sorted(formset.changed_objects, key=lambda pair: pair[0].role != Role.ADMINISTRATOR)
        for row, _fields in changed:
            services.change_role(request.user, collab, row.user, Role(row.role))
        for row in formset.deleted_objects:
            services.remove_member(request.user, collab, row.user)

    @admin.action(description="Delete (kept for 30 days)")
    def delete_softly(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        for collab in queryset.filter(deleted_at=None):
            services.delete_collab(request.user, collab)

    @admin.action(description="Restore")
    def restore(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        for collab in queryset.exclude(deleted_at=None):
            services.restore_collab(request.user, collab)
        messages.success(request, "Restored.")
