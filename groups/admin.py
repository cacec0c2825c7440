"""Groups for operators: people inline, changes through the services."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from portal.admin import AuditedAdmin

from . import services
from .models import Group, GroupManager, GroupMember, Nesting


class PeopleInline(admin.TabularInline):
    """People in the group; large groups are better changed on the group's page."""

    model = GroupMember
    autocomplete_fields = ["user"]
    readonly_fields = ["from_provider", "since"]
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ManagersInline(admin.TabularInline):
    """Managers of the group."""

    model = GroupManager
    autocomplete_fields = ["user"]
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NestingInline(admin.TabularInline):
    """Groups nested in the group."""

    model = Nesting
    fk_name = "outer"
    verbose_name, verbose_name_plural = "group in it", "groups in it"
    autocomplete_fields = ["inner"]
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


_ADD = {
    GroupMember: lambda actor, group, row: services.add_person(actor, group, row.user),
    GroupManager: lambda actor, group, row: services.add_manager(actor, group, row.user),
    Nesting: lambda actor, group, row: services.nest(actor, group, row.inner),
}
_REMOVE = {
    GroupMember: lambda actor, group, row: services.remove_person(actor, group, row.user),
    GroupManager: lambda actor, group, row: services.remove_manager(actor, group, row.user),
    Nesting: lambda actor, group, row: services.unnest(actor, group, row.inner),
}


@admin.register(Group)
class GroupAdmin(AuditedAdmin):
    """All groups."""

    list_display = ["name", "slug", "people", "provider_name", "created_at"]
    search_fields = ["name", "slug", "description", "provider_name"]
    fields = ["name", "slug", "description", "provider_name", "created_at", "created_by"]
    readonly_fields = ["slug", "created_at", "created_by"]
    actions = ["delete_for_good"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Group]:
        return Group.objects.with_size()

    def get_inlines(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """A new group is empty."""
        return [PeopleInline, ManagersInline, NestingInline] if obj else []

    @admin.display(ordering="size")
    def people(self, obj: Any) -> int:
        """Number of active people, through nested groups too."""
        return obj.size

    def save_model(self, request: Any, obj: Group, form: Any, change: bool) -> None:
        """Create and change as the pages do."""
        values = {name: form.cleaned_data[name] for name in ("name", "description", "provider_name")}
        if change:
            services.update_group(request.user, obj, **values)
        else:
            created = services.create_group(request.user, **values)
            obj.pk, obj.slug = created.pk, created.slug

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Additions first, so that handing over works in one step."""
        formset.save(commit=False)  # sorts the rows into lists, writes nothing
        for row in formset.new_objects:
            _ADD[formset.model](request.user, form.instance, row)
        for row in formset.deleted_objects:
            _REMOVE[formset.model](request.user, form.instance, row)

    @admin.action(description="Delete for good; the roles that they hold end", permissions=["change"])
    def delete_for_good(self, request: Any, queryset: models.QuerySet[Group]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda group: services.delete_group(request.user, group), "Deleted")
