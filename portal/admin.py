"""People and the audit trail, for operators."""

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
"""Given by superusers alone: who could give them could take them."""


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that are only looked at; actions may still do something with them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedAdmin(admin.ModelAdmin):
    """Shows, beside each object, who did what to it; nothing is deleted here, services do that."""

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
        """What a service refuses is undone as a whole (Django wraps the request in a transaction) and said."""
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
    """People. Deactivating takes effect at once, in running servers too."""

    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login", "servers"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    fieldsets = [*(DjangoUserAdmin.fieldsets or ()), ("On this site", {"fields": ["uuid", "servers", "access_report"]})]
    readonly_fields = ["uuid", "servers", "access_report"]
    actions = ["deactivate", "activate", "forget_second_factor"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """A username never changes: the address of the Lab, and links that people kept, are made of it."""
        fixed = [*super().get_readonly_fields(request, obj), *(["username"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, *RIGHTS]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Operators are changed by superusers alone: who can set a password can sign in with it."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or request.user.is_superuser or not (obj.is_staff or obj.is_superuser))

    def _changeable(self, request: HttpRequest, people: Iterable[User]) -> list[User]:
        """Those of the chosen people that this operator may change; says so when it is not all."""
        chosen = list(people)
        mine = [user for user in chosen if self.has_change_permission(request, user)]
        if len(mine) < len(chosen):
            messages.warning(request, "Operators were left as they are: only a superuser changes them.")
        return mine

    @admin.display(description="Lab")
    def servers(self, user: User) -> str:
        """The way to the person's servers; `lab` is not imported here, the address is enough."""
        address = reverse("admin:lab_server_changelist", query={"owner__id__exact": user.pk})
        return format_html('<a href="{}">servers</a>', address)

    @admin.display(description="Access")
    def access_report(self, user: User) -> str:
        """The way to what the person can see; as in `servers`, the address is enough."""
        return format_html('<a href="{}">what they can see, and why</a>', reverse("see_as_person", args=[user.pk]))

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
        """Deactivation may take a Collab's last administrator; as in `servers`, the address is enough."""
        address = reverse("admin:collabs_collab_changelist", query={"administered": "no"})
        said = 'Their Collabs stay. <a href="{}">Collabs without an active administrator</a> need a new one.'
        messages.warning(request, format_html(said, address))

    @admin.action(description="Forget the second factor of somebody who lost it", permissions=["change"])
    def forget_second_factor(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action. Make sure that it is the person who asks."""
        done = [
            u.username for u in self._changeable(request, queryset) if services.forget_second_factor(request.user, u)
        ]
        self.message_user(request, f"Signs in with the password alone now: {', '.join(done) or 'nobody'}.")

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action."""
        for user in self._changeable(request, queryset):
            services.activate(request.user, user)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what to what. Read-only for everybody."""

    list_display = ["at", "actor_name", "verb", "target_name", "details"]
    list_filter = ["verb", ("target_type", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["actor_name", "target_name", "target_id"]
    date_hierarchy = "at"
    list_select_related = ["target_type"]


for _rows in (SocialAccount, SocialApp, SocialToken, Authenticator, EmailAddress, UserSession):
    # Whoever could write these could sign in as anybody; providers are in the settings.
    admin.site.unregister(_rows)
