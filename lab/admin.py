"""Servers and environments, for operators."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from portal import audit
from portal.access import ForbiddenError
from portal.admin import AuditedAdmin, ReadOnlyAdmin

from . import group_limits
from .environments import builds as environment_builds
from .formats import binary_size, duration, size
from .launchers import LauncherUnavailableError, ServerStatus, get_launcher
from .models import Build, BuildState, Environment, GroupLimits, Pause, Server, StopReason
from .servers import services

MOMENT = 0.3
"""Seconds between two looks at processor time: what was taken in between is what it takes now."""
Seen = tuple[ServerStatus, float]
"""What the launcher sees of a server, and how many processors it keeps busy."""


class _ServerList(ChangeList):
    """Asks the launcher for the page as a whole and gives each row its part of the answer."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        try:
            seen = _look() if any(server.is_live for server in self.result_list) else {}
        except LauncherUnavailableError as error:
            messages.warning(request, f"Memory and processor time are unknown: {error}")
            seen = {}
        for server in self.result_list:
            server.seen = seen.get(server.pk)


def _look() -> dict[UUID, Seen]:
    """Status of all servers, with processor use measured between two looks."""
    before, began = get_launcher().inspect(), time.monotonic()
    time.sleep(MOMENT)
    seen, seconds = get_launcher().inspect(), time.monotonic() - began
    taken = {key: status.cpu_seconds - before[key].cpu_seconds for key, status in seen.items() if key in before}
    return {key: (status, max(0.0, taken.get(key, 0.0)) / seconds) for key, status in seen.items()}


@admin.register(Server)
class ServerAdmin(AuditedAdmin):
    """Servers: what they are doing, since when, for whom; stopped and started through the services, never edited."""

    list_display = [
        "owner",
        "state",
        "environment",
        "memory",
        "processor",
        "disk",
        "age",
        "start",
        "last_interaction",
        "why",
    ]
    list_filter = ["state", "stop_reason", "environment"]
    list_select_related = ["owner", "environment"]
    search_fields = ["owner__username", "owner__email", "id"]
    date_hierarchy = "requested_at"
    change_list_template = "admin/lab/servers.html"
    actions = ["stop", "launch"]
    fieldsets = (
        (None, {"fields": ("owner", "environment", "state", "why", "error", "log", "place", "notes")}),
        ("When", {"fields": ("requested_at", "starting_at", "started_at", "stopping_at", "ended_at", "changed_at")}),
        (
            "Idle culling",
            {
                "fields": (
                    "last_interaction",
                    "last_by_hand",
                    "keep_until",
                    "warned_for",
                    "due_at",
                    "looked_at",
                    "unseen",
                )
            },
        ),
        (
            "Limits",
            {
                "fields": (
                    "memory_limit",
                    "memory_kills",
                    "disk_limit",
                    "disk_kills",
                    "file_limit",
                    "file_kills",
                    "drive_file_kills",
                    "idle_seconds",
                    "life_seconds",
                    "cpu_seconds",
                )
            },
        ),
        ("Rescued files and next start", {"fields": ("rescued", "rescue_failures", "again", "again_place")}),
        ("Inside", {"fields": ("id", "phase", "unreachable_since", "mounts_digest")}),
    )

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return _ServerList

    @admin.display(ordering="requested_at")
    def age(self, server: Server) -> str:
        """Age, or lifetime of one that has ended."""
        return duration(((server.ended_at or timezone.now()) - server.requested_at).total_seconds())

    @admin.display(description="why it ended", ordering="stop_reason")
    def why(self, server: Server) -> str:
        """Reason of the stop, in a word."""
        return server.get_stop_reason_display()

    @admin.display
    def memory(self, server: Server) -> str:
        """Memory of its processes now, with its limit."""
        status = _status(server)
        if status is None or not status.memory_bytes:
            return "–"
        most = f" of {binary_size(server.memory_limit)}" if server.memory_limit else ""
        return f"{binary_size(status.memory_bytes)}{most}"

    @admin.display
    def disk(self, server: Server) -> str:
        """Disk space and files of its home and its changed environment, as last measured."""
        status = _status(server)
        if status is None or not status.disk_bytes:
            return "–"
        files = f", {status.files:,} files" if status.files else ""
        return f"{size(status.disk_bytes)}{files}"

    @admin.display
    def processor(self, server: Server) -> str:
        """Processor time of its processes, now (100 %: one processor) and in total."""
        seen: Seen | None = getattr(server, "seen", None)
        return f"{seen[1]:.0%} now, {duration(seen[0].cpu_seconds)} in all" if seen and server.is_live else "–"

    @admin.display(description="started in")
    def start(self, server: Server) -> str:
        """Seconds from the request until Jupyter answered."""
        if server.started_at is None:
            return "–"
        return f"{(server.started_at - server.requested_at).total_seconds():.1f} s"

    @admin.action(description="Stop", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: models.QuerySet[Server]) -> None:
        """Bulk action."""
        stopped = sum(services.stop_server(request.user, server, StopReason.OPERATOR) for server in queryset)  # type: ignore[arg-type]
        self.message_user(request, f"{stopped} of {len(queryset)} Labs are being stopped; the others were not running.")

    @admin.action(description="Launch for the same person", permissions=["change"])
    def launch(self, request: HttpRequest, queryset: models.QuerySet[Server]) -> None:
        """Bulk action."""
        for owner in {server.owner for server in queryset.select_related("owner")}:
            try:
                server = services.request_server(request.user, owner)  # type: ignore[arg-type]
                self.message_user(request, f"{owner.username}: {server.get_state_display()}")
            except (services.CannotLaunchError, ForbiddenError) as error:
                self.message_user(request, f"{owner.username}: {error}", messages.ERROR)

    @admin.display(description="Jupyter’s last output")
    def log(self, server: Server) -> str:
        """Last lines of the log of a server that failed."""
        return format_html('<pre class="build-log">{}</pre>', server.log_tail) if server.log_tail else "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = [field for _name, options in self.fieldsets for field in options["fields"]]
        return [*fields, *super().get_readonly_fields(request, obj)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _status(server: Server) -> ServerStatus | None:
    seen: Seen | None = getattr(server, "seen", None)
    return seen[0] if seen else None


@admin.register(Pause)
class PauseAdmin(AuditedAdmin):
    """Maintenance: a time in which no Lab is started."""

    list_display = ["__str__", "starts_at", "text"]

    def save_model(self, request: HttpRequest, obj: Pause, form: Any, change: bool) -> None:
        """Save, and write the audit entry."""
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
        *("environment", "state", "error", "took", "log"),
        *("asked_by", "asked_at", "prefix", "kind", "packages", "channels"),
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

    @admin.display(description="Log")
    def log(self, build: Build) -> str:
        """End of the build's log."""
        text = environment_builds.log_tail(build) or "Nothing yet."
        return format_html('<div class="build-log from-its-end"><pre>{}</pre></div>', text)


def _is_there(environment: Environment) -> str:
    if not environment.prefix:
        return "not built yet"
    is_elsewhere = settings.LAB_LAUNCHER == "jupyterhub"
    return "ready" if is_elsewhere or Path(environment.prefix, "bin/python").exists() else "not on this machine"


class EnvironmentForm(forms.ModelForm):
    """Looks for what is said to be there: a Lab could not start in it."""

    def clean_prefix(self) -> str:
        prefix: str = self.cleaned_data["prefix"]
        is_here = settings.LAB_LAUNCHER != "jupyterhub" and "prefix" in self.changed_data and prefix
        if is_here and not Path(prefix, "bin/python").exists():
            raise ValidationError(f"There is no {prefix}/bin/python on this machine.")
        return prefix


@admin.register(Environment)
class EnvironmentAdmin(AuditedAdmin):
    """Environments: where they are on disk, and which one people get."""

    form = EnvironmentForm
    list_display = ["name", "slug", "kind", "condition", "is_default", "is_retired", "by_fork"]
    prepopulated_fields = {"slug": ("name",)}
    change_form_template = "admin/lab/environment.html"
    actions = ["build"]
    fieldsets = (
        ("Shown to users", {"fields": ("name", "slug", "description")}),
        ("Contents", {"fields": ("kind", "packages", "channels", "prefix")}),
        ("Availability", {"fields": ("is_default", "is_retired", "for_groups_only", "by_fork")}),
        (
            "Limits of one server, unless a group gives others",
            {"fields": ("memory_mib", "cpu_limit", "process_limit", "disk_mib", "file_limit")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Environment]:
        builds = Build.objects.filter(environment=OuterRef("pk")).values("pk", "state")[:1]
        latest = {f"latest_{name}": Subquery(builds.values(name)) for name in ("pk", "state")}
        return super().get_queryset(request).annotate(**latest)

    @admin.display(description="state")
    def condition(self, environment: Environment) -> str:
        """State of the installation, with a link to its latest build."""
        there, build = _is_there(environment), getattr(environment, "latest_pk", None)
        if build is None:
            return there
        address = reverse("admin:lab_build_change", args=[build])
        state = BuildState(getattr(environment, "latest_state", "")).label
        return format_html('{}; <a href="{}">latest build: {}</a>', there, address, state)

    @admin.action(description="Build from the packages", permissions=["change"])
    def build(self, request: HttpRequest, queryset: models.QuerySet[Environment]) -> None:
        """Bulk action."""
        for environment in queryset:
            self._ask(request, environment)

    def _ask(self, request: HttpRequest, environment: Environment) -> Build | None:
        try:
            made = environment_builds.request_build(request.user, environment)  # type: ignore[arg-type]
        except environment_builds.CannotBuildError as error:
            messages.error(request, str(error))
            return None
        address = reverse("admin:lab_build_change", args=[made.pk])
        said = '“{}” is being built. <a href="{}">Follow it</a>.'
        messages.success(request, format_html(said, environment, address))
        return made

    def response_add(
        self, request: HttpRequest, obj: Environment, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the build's log where that button was pressed."""
        return self._to_the_build(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Environment) -> HttpResponse:
        """As `response_add`, after a change."""
        return self._to_the_build(request, obj) or super().response_change(request, obj)

    def _to_the_build(self, request: HttpRequest, environment: Environment) -> HttpResponse | None:
        if "_build" not in request.POST:
            return None
        made = self._ask(request, environment)
        page, row = ("lab_build", made) if made else ("lab_environment", environment)
        return redirect(f"admin:{page}_change", row.pk)

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        """With its audit entry."""
        super().save_model(request, obj, form, change)
        verb = "lab.environment.changed" if change else "lab.environment.created"
        audit.record(request.user, verb, obj, fields=form.changed_data)  # type: ignore[arg-type]


@admin.register(GroupLimits)
class GroupLimitsAdmin(AuditedAdmin):
    """What groups give their people's Labs, from the next launch on."""

    list_display = ["group", "memory_mib", "cpu_limit", "disk_mib", "idle_hours", "life_hours", "may_use"]
    list_select_related = ["group"]
    search_fields = ["group__name", "group__slug"]
    autocomplete_fields = ["group"]
    filter_horizontal = ["environments"]
    fields = ["group", *group_limits.FIELDS, "environments"]
    actions = ["remove"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[GroupLimits]:
        return super().get_queryset(request).prefetch_related("environments")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The group of limits does not change; its history is the group's."""
        return [*super().get_readonly_fields(request, obj), *(["group"] if obj else [])]

    @admin.display(description="environments")
    def may_use(self, row: GroupLimits) -> str:
        """Names of those that it says."""
        return ", ".join(one.name for one in row.environments.all()) or "–"

    @admin.display(description="Audit trail")
    def audit_trail(self, obj: models.Model) -> str:
        """The group's."""
        assert isinstance(obj, GroupLimits)
        return super().audit_trail(obj.group)

    def save_model(self, request: Any, obj: GroupLimits, form: Any, change: bool) -> None:
        """By the service, which writes the environments too, and the audit entry."""
        values = {name: form.cleaned_data[name] for name in group_limits.FIELDS}
        obj.pk = group_limits.set_limits(request.user, obj.group, form.cleaned_data["environments"], **values).pk

    @admin.action(description="Remove: as everybody from the next launch on", permissions=["change"])
    def remove(self, request: Any, queryset: models.QuerySet[GroupLimits]) -> None:
        """Bulk action."""
        rows = queryset.select_related("group")
        self.change_each(request, rows, lambda row: group_limits.remove_limits(request.user, row.group), "Removed")
