"""Administration of people and the audit trail; base classes of all administration pages."""

from collections.abc import Callable, Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.admin.utils import model_ngettext
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from . import audit, audit_sentences
from .accounts import services, superusers
from .models import AuditEntry, User

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""Fields that superusers alone can change: whoever could change them could become one."""


NAMED = 10
"""Rows that the message of an action names; of the others it says how many they are."""


class ReportingAdmin(admin.ModelAdmin):
    """Actions that say what they did, to which rows and how many, and why not to the others."""

    def change_each(
        self, request: HttpRequest, rows: Iterable[Any], change: Callable[[Any], object], done: str
    ) -> list[Any]:
        """Make a change of each row, each in its own transaction, and report it; returns the rows that it changed.

        `change` is atomic. It returns False where there was nothing to do; its ValidationError or ForbiddenError says
        why it refuses. `done` is what the report begins with, such as “Deactivated”.
        """
        changed: list[tuple[str, Any]] = []
        same: list[tuple[str, Any]] = []
        refused: dict[str, list[tuple[str, Any]]] = {}
        for row in rows:
            name = str(row)  # afterwards it may be gone
            try:
                is_same = change(row) is False
            except ValidationError as error:
                refused.setdefault(" ".join(error.messages), []).append((name, row))
            except PermissionDenied as error:
                refused.setdefault(str(error), []).append((name, row))
            else:
                (same if is_same else changed).append((name, row))
        if changed:
            messages.success(request, f"{done}: {self._counted(changed)}.")
        if same:
            messages.info(request, f"Nothing to do for {self._counted(same)}.")
        for reason, left in refused.items():
            messages.error(request, f"Not changed: {self._counted(left)}. {reason}")
        return [row for _name, row in changed]

    def _counted(self, rows: list[tuple[str, Any]]) -> str:
        """“2 users (ada, bob)”."""
        names = ", ".join(name for name, _row in rows[:NAMED])
        more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        return f"{len(rows)} {model_ngettext(self.opts, len(rows))} ({names}{more})"


class ReadOnlyAdmin(ReportingAdmin):
    """Read-only rows; actions may still change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedAdmin(ReportingAdmin):
    """Shows the audit trail of each object; deletes nothing, because services do."""

    @admin.display(description="Audit trail")
    def audit_trail(self, obj: models.Model) -> str:
        """The latest fifty entries."""
        rows = [(e.at.strftime("%Y-%m-%d %H:%M:%S"), e.actor_name, e.did, e.said) for e in audit.trail(obj)[:50]]
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


class PasswordForm(AdminPasswordChangeForm):
    """Somebody's new password, or none at all."""

    def clean(self) -> dict[str, Any]:
        """A superuser who signs in with a password alone keeps one: else this locks them out as well."""
        super().clean()
        only = self.user.is_superuser and not SocialAccount.objects.filter(user=self.user).exists()
        if only and not self.cleaned_data["set_usable_password"]:
            self.add_error("usable_password", "This superuser has no other way to sign in.")
        return self.cleaned_data


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):
    """People. Deactivation takes effect at once, in running servers too."""

    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login", "servers"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    fieldsets = [*(DjangoUserAdmin.fieldsets or ()), ("On this site", {"fields": ["uuid", "servers", "access_report"]})]
    readonly_fields = ["uuid", "servers", "access_report", "last_login", "date_joined"]
    actions = ["deactivate", "activate", "forget_second_factor"]
    change_password_form = PasswordForm

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Read-only fields; a username never changes, because the Lab's address and kept links contain it."""
        fixed = [*super().get_readonly_fields(request, obj), *(["username"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, *RIGHTS]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Django's groups are called what they are in the administration."""
        if db_field.name == "groups":
            options |= {"label": "Sets of rights", "help_text": "This person has the permissions of each of them."}
        return super().formfield_for_manytomany(db_field, request, **options)

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
        """Account and rights go through the services, which refuse what would lock everybody out, and audit.

        Of the rest only what was changed is saved, so that nothing writes these beside the services.
        """
        changed = set(form.changed_data)
        if not change:
            super().save_model(request, obj, form, change)
            audit.record(request.user, "account.created", obj, fields=form.changed_data)
            return
        if changed & {"is_staff", "is_superuser"}:
            rights = {"is_staff": obj.is_staff, "is_superuser": obj.is_superuser}
            superusers.change_rights(request.user, obj, **rights)
        if "is_active" in changed:
            if obj.is_active:
                services.activate(request.user, obj)
            elif services.deactivate(request.user, obj):
                self._lead_to_orphans(request)
        rest = sorted(changed - {"is_staff", "is_superuser", "is_active"})
        if rest:
            columns = {field.name for field in obj._meta.concrete_fields}
            obj.save(update_fields=[name for name in rest if name in columns])
            audit.record(request.user, "account.changed", obj, fields=rest)

    @admin.action(description="Deactivate: end sessions and servers now", permissions=["change"])
    def deactivate(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action."""
        people = self._changeable(request, queryset)
        if self.change_each(request, people, lambda user: services.deactivate(request.user, user), "Deactivated"):
            self._lead_to_orphans(request)

    def _lead_to_orphans(self, request: HttpRequest) -> None:
        """Warn that a deactivation may leave Collabs without an administrator, with a link to them."""
        address = reverse("admin:collabs_collab_changelist", query={"administered": "no"})
        said = 'Their Collabs stay. Give <a href="{}">Collabs without an active administrator</a> a new one.'
        messages.warning(request, format_html(said, address))

    @admin.action(description="Remove a lost second factor", permissions=["change"])
    def forget_second_factor(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action. Verify the identity of the person first."""
        people = self._changeable(request, queryset)
        done = "Sign in with the password alone from now on"
        self.change_each(request, people, lambda user: services.forget_second_factor(request.user, user), done)

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: Any, queryset: models.QuerySet[User]) -> None:
        """Bulk action. An account that its person deleted stays so."""
        people = self._changeable(request, queryset)
        self.change_each(request, people, lambda user: services.activate(request.user, user), "Activated")


class ActionFilter(admin.SimpleListFilter):
    """Filter: entries of one action, of those that there are, in words."""

    title = "what was done"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        verbs = AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct()
        return [(verb, audit_sentences.phrase(verb)) for verb in verbs]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Audit trail, read-only for everybody."""

    list_display = ["at", "actor_name", "did", "target_name", "said"]
    list_filter = [ActionFilter, ("target_type", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["actor_name", "target_name", "target_id"]
    date_hierarchy = "at"
    list_select_related = ["target_type"]
    fields = ["at", "actor", "actor_name", "did", "target_type", "target_id", "target_name", "said", "verb", "details"]
    readonly_fields = ["at", "did", "said"]

    @admin.display(description="did", ordering="verb")
    def did(self, entry: AuditEntry) -> str:
        """What was done, in words."""
        return entry.did

    @admin.display(description="details")
    def said(self, entry: AuditEntry) -> str:
        """The details, in words."""
        return entry.said


for _rows in (SocialAccount, SocialApp, SocialToken, Authenticator, EmailAddress, UserSession):
    # Whoever could write these could sign in as anybody; providers are in the settings.
    admin.site.unregister(_rows)
