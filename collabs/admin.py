"""Collabs for operators: members inline, changes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse

from portal.admin import AuditedAdmin

from . import services
from .models import Collab, Membership, Role


class NewMembersInline(admin.TabularInline):
    """New members. Apart from the team, so that the page does not look up every member again."""

    model = Membership
    verbose_name = "member"
    verbose_name_plural = "Add members"
    autocomplete_fields = ["user"]
    extra = 0

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Membership]:
        return super().get_queryset(request).none()


class TeamInline(admin.TabularInline):
    """The team: change roles, remove people."""

    model = Membership
    verbose_name_plural = "Team"
    fields = ["person", "role", "since"]
    readonly_fields = ["person", "since"]
    extra = 0

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Membership]:
        return super().get_queryset(request).select_related("user")

    @admin.display
    def person(self, membership: Membership) -> str:
        """Username, name, and a mark if the account is deactivated."""
        user = membership.user
        return f"{user.username}, {user.display_name}" + ("" if user.is_active else " (deactivated)")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AdministeredFilter(admin.SimpleListFilter):
    """Filter: Collabs that deactivations left without an administrator."""

    title = "administrator"
    parameter_name = "administered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "None active")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.unadministered() if self.value() == "no" else queryset


@admin.register(Collab)
class CollabAdmin(AuditedAdmin):
    """All Collabs, the deleted included."""

    list_display = ["title", "slug", "is_public", "people", "created_at", "archived_at", "deleted_at"]
    list_filter = [
        AdministeredFilter,
        "is_public",
        ("archived_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["title", "slug", "description", "memberships__user__username"]
    readonly_fields = ["slug", "created_at", "created_by", "archived_at", "deleted_at"]
    fields_when_made = ["title", "description", "is_public"]
    actions = ["archive", "unarchive", "delete_softly", "restore"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Collab]:
        return Collab.all_objects.with_team_size()

    def get_fields(self, request: HttpRequest, obj: Collab | None = None) -> Any:
        """A new Collab has what its creator is asked for on the pages."""
        return super().get_fields(request, obj) if obj else self.fields_when_made

    def get_inlines(self, request: HttpRequest, obj: Collab | None = None) -> Any:
        """A new Collab has its creator as administrator; others are added to it afterwards."""
        return [NewMembersInline, TeamInline] if obj else []

    @admin.display(description="people", ordering="team_size")
    def people(self, obj: Any) -> int:
        """Active members."""
        return obj.team_size

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Collab | None = None,
    ) -> HttpResponse:
        """The form, with a warning if no active administrator is left."""
        if obj and not obj.is_administered():
            messages.warning(request, "This Collab has no active administrator. Give a member that role, or add one.")
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: Any, obj: Collab, form: Any, change: bool) -> None:
        """Create and change as the pages do."""
        values = {name: form.cleaned_data[name] for name in ("title", "description", "is_public")}
        if change:
            more = {name: form.cleaned_data[name] for name in ("coediting", "visitors_read")}
            services.update_collab(request.user, obj, **values, **more)
        else:
            created = services.create_collab(request.user, **values)
            obj.pk, obj.slug = created.pk, created.slug

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Additions, then promotions, then the rest, so that handing over the administrator's role works in one step.

        The inlines come in this order too: new members are saved before the team is.
        """
        formset.save(commit=False)  # sorts the rows into the three lists, writes nothing
        collab = form.instance
        for row in formset.new_objects:
            services.add_member(request.user, collab, row.user, Role(row.role))
        for row, _fields in sorted(formset.changed_objects, key=lambda pair: pair[0].role != Role.ADMINISTRATOR):
            services.change_role(request.user, collab, row.user, Role(row.role))
        for row in formset.deleted_objects:
            services.remove_member(request.user, collab, row.user)

    @admin.action(description="Archive (read-only, not in the directory)", permissions=["change"])
    def archive(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda row: services.archive_collab(request.user, row), "Archived")

    @admin.action(description="Restore from the archive", permissions=["change"])
    def unarchive(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        done = "Restored from the archive"
        self.change_each(request, queryset, lambda row: services.unarchive_collab(request.user, row), done)

    @admin.action(description="Delete (can be restored for a while)", permissions=["change"])
    def delete_softly(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda row: services.delete_collab(request.user, row), "Deleted")

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: Any, queryset: models.QuerySet[Collab]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda row: services.restore_collab(request.user, row), "Restored")
