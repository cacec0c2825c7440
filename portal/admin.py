"""Administration of people and the audit trail; base classes of all administration pages."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from . import audit
from .accounts import services
from .models import AuditEntry, User

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""Fields that superusers alone can change: whoever could change them could become one."""


class ReadOnlyAdmin(admin.ModelAdmin):
    """Read-only rows; actions may still change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedAdmin(admin.ModelAdmin):
    """Shows the audit trail of each object; deletes nothing, because services do."""

    @admin.display(description="Audit trail")
    def audit_trail(self, obj: models.Model) -> str:
        """The latest fifty entries."""
        rows = [
            (e.at.strftime("%Y-%m-%d %H:%M:%S"), e.actor_name, e.verb, e.details or "") for e in audit.trail(obj)[:50]
        ]
        if not rows:
            return "Nothing yet."
        cells = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
        return format_html('<table class="audit-trail">{}</table>', cells)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a service's ValidationError as a message; the request's transaction is rolled back as a whole."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ValidationError as error:
            messages.error(request, f"Nothing was saved. {' '.join(error.messages)}")
            return redirect(request.get_full_path())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "audit_trail"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = [
            (name, {**options, "fields": [f for f in options["fields"] if f != "audit_trail"]})
            for name, options in super().get_fieldsets(request, obj)
        ]
        return [*fieldsets, ("History", {"fields": ["audit_trail"]})] if obj else fieldsets

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):
    """People. Deactivation takes effect at once, in running servers too."""

    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login", "servers"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    fieldsets = [*(DjangoUserAdmin.fieldsets or ()), ("On this site", {"fields": ["uuid", "servers", "access_report"]})]
    readonly_fields = ["uuid", "servers", "access_report"]
    actions = ["deactivate", "activate", "forget_second_factor"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Read-only fields; a username never changes, because the Lab's address and kept links contain it."""
        fixed = [*super().get_readonly_fields(request, obj), *(["username"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, *RIGHTS]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers change operators: whoever can set a password can sign in with it."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or request.user.is_superuser or not (obj.is_staff or obj.is_superuser))

    def _changeable(self, request: HttpRequest, people: Iterable[User]) -> list[User]:
        """The chosen people whom this operator may change, with a message if some are left out."""
        chosen = list(people)
        mine = [user for user in chosen if self.has_change_permission(request, user)]
        if len(mine) < len(chosen):
            messages.warning(request, "Operators were not changed: only a superuser can change them.")
        return mine

    @admin.display(description="Lab")
    def servers(self, user: User) -> str:
        """Link to the person's servers; `lab` is not imported here, the address is enough."""
        address = reverse("admin:lab_server_changelist", query={"owner__id__exact": user.pk})
        return format_html('<a href="{}">servers</a>', address)

    @admin.display(description="Access")
    def access_report(self, user: User) -> str:
        """Link to the person's access report; as in `servers`, the address is enough."""
        return format_html('<a href="{}">access report</a>', reverse("see_as_person", args=[user.pk]))

    def save_model(self, request: Any, obj: User, form: Any, change: bool) -> None:
        """Activity goes through the services, so that it is audited and running servers follow."""
        wanted = obj.is_active
        if change and "is_active" in form.changed_data:
            obj.is_active = not wanted
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data:
            (services.activate if wanted else services.deactivate)(request.user, obj)
            if not wanted:
                self._lead_to_orphans(request)
        else:
            audit.record(
                request.user, "account.changed" if change else "account.created", obj, fields=form.changed_data
            )

    @admin.action(description="Deactivate: end sessions and servers now", permissions=["change"])
    def deactivate(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action."""
        for user in self._changeable(request, queryset):
            services.deactivate(request.user, user)
        self._lead_to_orphans(request)

    def _lead_to_orphans(self, request: HttpRequest) -> None:
        """Warn that a deactivation may leave Collabs without an administrator, with a link to them."""
        address = reverse("admin:collabs_collab_changelist", query={"administered": "no"})
        said = 'Their Collabs stay. Give <a href="{}">Collabs without an active administrator</a> a new one.'
        messages.warning(request, format_html(said, address))

    @admin.action(description="Remove a lost second factor", permissions=["change"])
    def forget_second_factor(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action. Verify the identity of the person first."""
        done = [
            u.username for u in self._changeable(request, queryset) if services.forget_second_factor(request.user, u)
        ]
        self.message_user(request, f"Sign-in with the password alone: {', '.join(done) or 'nobody'}.")

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action."""
        for user in self._changeable(request, queryset):
            services.activate(request.user, user)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Audit trail, read-only for everybody."""

    list_display = ["at", "actor_name", "verb", "target_name", "details"]
    list_filter = ["verb", ("target_type", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["actor_name", "target_name", "target_id"]
    date_hierarchy = "at"
    list_select_related = ["target_type"]


for _rows in (SocialAccount, SocialApp, SocialToken, Authenticator, EmailAddress, UserSession):
    # Whoever could write these could sign in as anybody; providers are in the settings.
    admin.site.unregister(_rows)
