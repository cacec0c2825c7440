"""Libraries for operators: what is used, with whom it is shared, whose it shall be; quotas and public links."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from collabs.models import Collab
from portal.admin import AuditedAdmin
from portal.models import User

from .libraries import public_links, services, upload_links
from .models import Library, Owner, PublicLink, Quota, Share, Trashed, UploadLink, Version
from .storage import StorageError, layout


class ShareInline(admin.TabularInline):
    """Shares of a library. They can be ended here; they are made by the library's owner."""

    model = Share
    extra = 0
    fields = ["user", "collab", "permission", "created_by", "created_at"]
    readonly_fields = ["user", "collab", "permission", "created_by", "created_at"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Share]:
        return super().get_queryset(request).select_related("user", "collab", "created_by", "library")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NewOwnerForm(forms.Form):
    """New owner of libraries."""

    new_owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        widget=AutocompleteSelect(Library._meta.get_field("owner_user"), admin.site),
    )


def _sum(rows: models.QuerySet, group: str, what: str) -> Coalesce:
    """The sum of a column of the rows of each library, 0 where there are none."""
    total = rows.filter(**{group: OuterRef("pk")}).order_by().values(group).annotate(total=Sum(what)).values("total")
    return Coalesce(Subquery(total), 0, output_field=models.BigIntegerField())


@admin.register(Library)
class LibraryAdmin(AuditedAdmin):
    """All libraries, the deleted included. Operators see names and sizes here, not contents."""

    list_display = ["__str__", "owner", "used", "used_files", "versions", "trash", "is_public", "deleted_at"]
    list_filter = [
        "is_public",
        ("deleted_at", admin.EmptyFieldListFilter),
        ("owner_collab", admin.EmptyFieldListFilter),
        ("counted_at", admin.DateFieldListFilter),
    ]
    list_select_related = ["owner_user", "owner_collab"]
    search_fields = ["name", "shared_name", "owner_user__username", "owner_collab__title"]
    readonly_fields = ["name", "shared_name", "owner", "is_default", "is_public", "usage", "counted", "versions"]
    readonly_fields += ["trash", "created_at", "deleted_at", "removed_at"]
    fields = [*readonly_fields]
    inlines = [ShareInline]
    actions = ["delete_softly", "restore", "transfer", "settle"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Library]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                versions_size=_sum(Version.objects.all(), "file__library", "size"),
                trash_size=_sum(Trashed.objects.exclude(place=""), "library", "size"),
            )
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="owner", ordering=Coalesce("owner_user__username", "owner_collab__title_key"))
    def owner(self, obj: Library) -> str:
        """The person or the Collab."""
        return str(obj.owner_user or obj.owner_collab)

    @admin.display(description="used", ordering="used_bytes")
    def used(self, obj: Library) -> str:
        """As the quota counts it."""
        return filesizeformat(obj.used_bytes) if obj.counted_at or obj.used_bytes else "–"

    @admin.display(description="counted")
    def counted(self, obj: Library) -> str:
        """Bytes and files as counted by the last scan, with changes on the web since."""
        when = f", scanned {obj.counted_at:%Y-%m-%d %H:%M}" if obj.counted_at else ", never scanned"
        return f"{filesizeformat(obj.used_bytes)} in {obj.used_files} files{when}"

    @admin.display(description="versions", ordering="versions_size")
    def versions(self, obj: Any) -> str:
        """Sizes of all versions; equal ones, of whichever libraries, take their space on the disk once."""
        return filesizeformat(obj.versions_size)

    @admin.display(description="trash", ordering="trash_size")
    def trash(self, obj: Any) -> str:
        """Size of the items in the trash that were deleted on the web."""
        return filesizeformat(obj.trash_size)

    @admin.display(description="usage")
    def usage(self, obj: Library) -> str:
        """Counted when the page is opened."""
        try:
            size, files = layout.usage(obj)
        except (OSError, StorageError) as error:
            return str(error)
        return f"{filesizeformat(size)} in {files} files"

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Ending a share goes through the service: audited, and running servers follow."""
        formset.save(commit=False)
        for share in formset.deleted_objects:
            services.unshare(request.user, share)

    @admin.action(description="Delete (can be restored for a while)", permissions=["change"])
    def delete_softly(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Only people's own libraries; a Collab's goes with its Collab."""
        self.change_each(request, queryset, lambda row: services.delete_library(request.user, row), "Deleted")

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda row: services.restore_library(request.user, row), "Restored")

    @admin.action(description="Transfer to another person…", permissions=["change"])
    def transfer(self, request: Any, queryset: models.QuerySet[Library]) -> HttpResponse | None:
        """Ask to whom, then do it. Only people's libraries that are not deleted."""
        wanted = queryset.filter(deleted_at=None, owner_collab=None).select_related("owner_user")
        if not wanted:
            self.message_user(
                request, "Only people's libraries that are not deleted can be transferred.", messages.ERROR
            )
            return None
        form = NewOwnerForm(request.POST if "chosen" in request.POST else None)
        if not form.is_valid():
            context = {**self.admin_site.each_context(request), "libraries": wanted, "form": form, "media": form.media}
            return TemplateResponse(request, "admin/drive/transfer.html", context | {"title": "Transfer libraries"})
        new_owner = form.cleaned_data["new_owner"]

        def transfer(library: Library) -> None:
            services.transfer_library(request.user, library, new_owner)

        self.change_each(request, wanted, transfer, f"Transferred to {new_owner}")
        return None

    @admin.action(description="Repair the directory on disk", permissions=["change"])
    def settle(self, request: Any, queryset: models.QuerySet[Library]) -> None:
        """Make the disk agree with the row."""

        def settle(library: Library) -> None:
            try:
                layout.settle(library.pk)
            except OSError as error:
                raise ValidationError(str(error)) from error

        self.change_each(request, queryset, settle, "Agrees with the disk")


class QuotaInline(admin.StackedInline):
    """A person's own quota."""

    model = Quota
    fields = ["max_bytes", "max_files"]
    verbose_name_plural = "Quota, if different from the default"


@admin.register(Owner)
class OwnerAdmin(AuditedAdmin):
    """Usage by owner, all their libraries together, the largest first; and their quotas."""

    list_display = ["username", "libraries_number", "used", "files", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["username", "first_name", "last_name", "email"]
    readonly_fields = ["username", "libraries_number", "used", "files", "their_libraries"]
    fields = [*readonly_fields]
    inlines = [QuotaInline]
    actions = ["transfer"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Owner]:
        libraries = Library.objects.all()
        number = libraries.filter(owner_user=OuterRef("pk")).order_by().values("owner_user").annotate(n=Count("pk"))
        annotated = Owner.objects.annotate(
            used_bytes=_sum(libraries, "owner_user", "used_bytes"),
            used_files=_sum(libraries, "owner_user", "used_files"),
            number=Coalesce(Subquery(number.values("n")), 0),
        )
        return annotated.order_by(*self.get_ordering(request))

    def get_ordering(self, request: HttpRequest) -> Any:
        """The most first."""
        return ["-used_bytes", "username"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="libraries", ordering="number")
    def libraries_number(self, obj: Any) -> int:
        """The deleted included: they count too."""
        return obj.number

    @admin.display(description="used", ordering="used_bytes")
    def used(self, obj: Any) -> str:
        """As the quota counts it."""
        return filesizeformat(obj.used_bytes)

    @admin.display(description="files", ordering="used_files")
    def files(self, obj: Any) -> int:
        """As the quota counts them."""
        return obj.used_files

    @admin.display(description="libraries, the largest first")
    def their_libraries(self, obj: Owner) -> str:
        """The way to the list."""
        address = reverse("admin:drive_library_changelist", query={"owner_user__id__exact": obj.pk, "o": "-3"})
        return format_html('<a href="{}">the list</a>', address)

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Quotas are changed by the services, which audit."""
        formset.save(commit=False)  # sorts the rows into the three lists, writes nothing
        for quota in [*formset.new_objects, *(quota for quota, _fields in formset.changed_objects)]:
            services.set_quota(request.user, quota.user, quota.max_bytes, quota.max_files)
        for quota in formset.deleted_objects:
            services.remove_quota(request.user, quota.user)

    @admin.action(description="Transfer all their libraries to another person…", permissions=["change"])
    def transfer(self, request: Any, queryset: models.QuerySet[Owner]) -> HttpResponse | None:
        """For people who leave: the chooser of the libraries' list, with all of theirs."""
        theirs = Library.objects.live().filter(owner_user__in=queryset).filter(~Q(used_files=0, is_default=True))
        if not theirs.exists():
            self.message_user(request, "This person owns no library that can be transferred.", messages.ERROR)
            return None
        context = {
            **self.admin_site.each_context(request),
            "libraries": theirs.select_related("owner_user"),
            "form": (form := NewOwnerForm()),
            "media": form.media,
            "title": "Transfer libraries",
            "action": reverse("admin:drive_library_changelist"),
        }
        return TemplateResponse(request, "admin/drive/transfer.html", context)


@admin.register(Quota)
class QuotaAdmin(AuditedAdmin):
    """Quotas of people and Collabs that have another one than everybody."""

    list_display = ["__str__", "max_bytes", "max_files"]
    list_select_related = ["user", "collab"]
    search_fields = ["user__username", "collab__title"]
    autocomplete_fields = ["user", "collab"]
    fields = ["user", "collab", "max_bytes", "max_files"]
    actions = ["remove"]

    def get_readonly_fields(self, request: HttpRequest, obj: Quota | None = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["user", "collab"] if obj else [])]

    def save_model(self, request: Any, obj: Quota, form: Any, change: bool) -> None:
        """As the command line does it."""
        services.set_quota(request.user, _whose(obj), obj.max_bytes, obj.max_files)
        obj.pk = Quota.objects.get(user=obj.user, collab=obj.collab).pk

    @admin.action(description="Remove: use the default quota", permissions=["change"])
    def remove(self, request: Any, queryset: models.QuerySet[Quota]) -> None:
        """Bulk action."""
        rows = queryset.select_related("user", "collab")
        self.change_each(
            request, rows, lambda row: services.remove_quota(request.user, _whose(row)), "Back to the default"
        )


def _whose(quota: Quota) -> User | Collab:
    whose = quota.user or quota.collab
    assert whose
    return whose


@admin.register(PublicLink)
class PublicLinkAdmin(AuditedAdmin):
    """Public links. Operators revoke them; the addresses are for those who made them."""

    list_display = ["__str__", "created_by", "created_at", "expires_at", "has_password", "uses", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), ("expires_at", admin.EmptyFieldListFilter)]
    list_select_related = ["library", "created_by"]
    search_fields = ["library__name", "library__shared_name", "path", "created_by__username"]
    readonly_fields = ["library", "path", "is_folder", "has_password", "created_by", "created_at", "expires_at"]
    readonly_fields += ["uses", "last_used_at", "revoked_at"]
    fields = [*readonly_fields]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="password", boolean=True)
    def has_password(self, obj: PublicLink) -> bool:
        """True if visitors must enter a password."""
        return bool(obj.password)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: Any, queryset: models.QuerySet[PublicLink]) -> None:
        """Bulk action."""
        links = queryset.select_related("library")
        self.change_each(request, links, lambda link: public_links.revoke_link(request.user, link), "Revoked")


@admin.register(UploadLink)
class UploadLinkAdmin(AuditedAdmin):
    """Upload links. Operators revoke them; the addresses are for those who made them."""

    list_display = ["__str__", "created_by", "created_at", "expires_at", "has_password", "max_bytes", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), ("expires_at", admin.EmptyFieldListFilter)]
    list_select_related = ["library", "created_by"]
    search_fields = ["title", "library__name", "library__shared_name", "path", "created_by__username"]
    readonly_fields = ["library", "path", "title", "message", "has_password", "max_file_bytes", "max_bytes"]
    readonly_fields += ["created_by", "created_at", "expires_at", "revoked_at"]
    fields = [*readonly_fields]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="password", boolean=True)
    def has_password(self, obj: UploadLink) -> bool:
        """True if senders must enter a password."""
        return bool(obj.password)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: Any, queryset: models.QuerySet[UploadLink]) -> None:
        """Bulk action."""
        links = queryset.select_related("library")
        self.change_each(request, links, lambda link: upload_links.revoke_link(request.user, link), "Revoked")
