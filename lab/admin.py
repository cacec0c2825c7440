"""Servers and environments, for operators."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from portal import audit
from portal.access import Forbidden
from portal.admin import AuditedAdmin, ReadOnlyAdmin

from . import building, services
from .launchers import LauncherUnavailable, ServerStatus, get_launcher
from .models import Build, Environment, Pause, Server, StopReason
from .wording import duration, size


class _ServerList(ChangeList):
    """Asks the launcher once per page and gives each row its part of the answer."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        try:
            seen = get_launcher().inspect()
        except LauncherUnavailable as error:
            messages.warning(request, f"Memory and processor time are not known: {error}")
            seen = {}
        for server in self.result_list:
            server.status = seen.get(server.pk)


@admin.register(Server)
class ServerAdmin(AuditedAdmin):
    """Servers: what they are doing, since when, for whom; stopped and started through the services, never edited."""

    list_display = [
        "owner",
        "state",
        "age",
        "start",
        "last_interaction",
        "memory",
        "disk",
        "processor",
        "why",
        "environment",
        "requested_at",
    ]
    list_filter = ["state", "stop_reason", "environment"]
    list_select_related = ["owner", "environment"]
    search_fields = ["owner__username", "owner__email", "id"]
    date_hierarchy = "requested_at"
    actions = ["stop", "launch"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return _ServerList

    @admin.display(ordering="requested_at")
    def age(self, server: Server) -> str:
        """How long it has existed, or did."""
        return duration(((server.ended_at or timezone.now()) - server.requested_at).total_seconds())

    @admin.display
    def memory(self, server: Server) -> str:
        """What its processes hold now, as the launcher counts it."""
        status: ServerStatus | None = getattr(server, "status", None)
        return size(status.memory_bytes) if status and status.memory_bytes else "–"

    @admin.display
    def disk(self, server: Server) -> str:
        """What its home and its changed environment took up when last measured."""
        status: ServerStatus | None = getattr(server, "status", None)
        return size(status.disk_bytes) if status and status.disk_bytes else "–"

    @admin.display(description="started in")
    def start(self, server: Server) -> str:
        """From the request until Jupyter answered."""
        if server.started_at is None:
            return "–"
        return f"{(server.started_at - server.requested_at).total_seconds():.1f} s"

    @admin.display
    def processor(self, server: Server) -> str:
        """Processor time that its processes have taken."""
        status: ServerStatus | None = getattr(server, "status", None)
        return duration(status.cpu_seconds) if status and status.cpu_seconds else "–"

    @admin.display(description="why it ended", ordering="stop_reason")
    def why(self, server: Server) -> str:
        """In a word."""
        return server.get_stop_reason_display()

    @admin.action(description="Stop", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: models.QuerySet[Server]) -> None:
        """Bulk action."""
        stopped = sum(services.stop_server(request.user, server, StopReason.OPERATOR) for server in queryset)  # type: ignore[arg-type]
        self.message_user(request, f"{stopped} of {len(queryset)} are being stopped; the others were not running.")

    @admin.action(description="Launch for the same person", permissions=["change"])
    def launch(self, request: HttpRequest, queryset: models.QuerySet[Server]) -> None:
        """Bulk action."""
        for owner in {server.owner for server in queryset.select_related("owner")}:
            try:
                server = services.request_server(request.user, owner)  # type: ignore[arg-type]
                self.message_user(request, f"{owner.username}: {server.get_state_display()}")
            except (services.NotNow, Forbidden) as error:
                self.message_user(request, f"{owner.username}: {error}", messages.ERROR)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["token"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = [field.name for field in Server._meta.fields if field.name != "token"]
        return [*fields, *super().get_readonly_fields(request, obj)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Pause)
class PauseAdmin(AuditedAdmin):
    """Maintenance: a time in which no Lab is started."""

    list_display = ["__str__", "starts_at", "text"]

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: bool) -> None:
        """With its audit entry."""
        super().save_model(request, obj, form, change)
        verb = "lab.pause.changed" if change else "lab.pause.made"
        audit.record(request.user, verb, obj, until=obj.ends_at.isoformat(timespec="minutes"))  # type: ignore[arg-type]


@admin.register(Build)
class BuildAdmin(ReadOnlyAdmin):
    """Builds of environments, each with its log, which follows itself while it is under way."""

    list_display = ["environment", "state", "asked_at", "took", "asked_by", "error"]
    list_filter = ["state", "environment"]
    list_select_related = ["environment", "asked_by"]
    fields = (
        *("environment", "state", "error", "asked_by", "asked_at", "took", "prefix"),
        *("kind", "packages", "channels", "log"),
    )
    readonly_fields = ("took", "log")
    change_form_template = "admin/lab/build.html"

    @admin.display
    def took(self, build: Build) -> str:
        """Or has taken until now."""
        return (
            duration(((build.ended_at or timezone.now()) - build.started_at).total_seconds())
            if build.started_at
            else "–"
        )

    @admin.display(description="What it printed")
    def log(self, build: Build) -> str:
        """The end of it."""
        return format_html('<pre class="build-log">{}</pre>', building.log_tail(build) or "Nothing yet.")


@admin.register(Environment)
class EnvironmentAdmin(AuditedAdmin):
    """Environments: where they are on disk, and which one people get."""

    list_display = ["name", "slug", "kind", "prefix", "is_default", "is_retired", "by_fork"]
    actions = ["build"]

    @admin.action(description="Build from the packages", permissions=["change"])
    def build(self, request: HttpRequest, queryset: models.QuerySet[Environment]) -> None:
        """Bulk action."""
        for environment in queryset:
            try:
                made = building.ask(request.user, environment)  # type: ignore[arg-type]
            except building.CannotBuild as error:
                messages.error(request, str(error))
            else:
                address = reverse("admin:lab_build_change", args=[made.pk])
                said = '“{}” is being built. <a href="{}">Follow it</a>.'
                messages.success(request, format_html(said, environment, address))

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        """With its audit entry."""
        super().save_model(request, obj, form, change)
        verb = "lab.environment.changed" if change else "lab.environment.created"
        audit.record(request.user, verb, obj, fields=form.changed_data)  # type: ignore[arg-type]
