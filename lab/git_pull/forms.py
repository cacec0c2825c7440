"""Form of a git link: repository, branch, and where to."""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from drive.models import Library
from drive.storage import StorageError, check_name
from lab.locations import paths
from portal.models import User

BRANCH = re.compile(r"(?!-)(?!.*(\.\.|//|@\{|\.lock(/|$)|/\.))[\w./+#@-]{1,200}(?<![./])")
"""As git check-ref-format(1) says, without its rarer characters."""
LOCAL = (".localhost", ".local", ".internal", ".home.arpa")


def clean_repo(text: str) -> str:
    """Address of a repository on a public web server. The Lab, which asks it, looks at what it leads to."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValidationError(gettext("This is not the address of a repository.")) from error
    if parts.scheme not in ("http", "https") or not host or not text.isprintable() or re.search(r"[\s\\]", text):
        raise ValidationError(gettext("A repository's address must begin with https:// or http://."))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValidationError(gettext("The address must not contain a user name, “?” or “#”."))
    if host not in settings.LAB_GIT_PRIVATE_HOSTS and _is_local(host):
        raise ValidationError(gettext("Repositories can be fetched from public addresses only."))
    return text


def _is_local(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.rstrip(".").endswith(LOCAL)


def folder_of(repo: str) -> str:
    """Name of the folder that git would clone into."""
    return repo.rstrip("/").rpartition("/")[2].removesuffix(".git")


class PullForm(forms.Form):
    """Repository to fetch, and the folder that it goes to."""

    repo = forms.CharField(
        max_length=500,
        label=gettext_lazy("Repository"),
        help_text=gettext_lazy("Such as https://github.com/owner/name."),
    )
    branch = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Branch, tag or commit"),
        help_text=gettext_lazy("Leave empty for the repository's default branch."),
    )
    library = forms.ModelChoiceField(Library.objects.none(), label=gettext_lazy("Into the library"), empty_label=None)
    folder = forms.CharField(
        label=gettext_lazy("Folder"),
        max_length=255,
        required=False,
        help_text=gettext_lazy(
            "Leave empty to name it after the repository. “a/b” is b in a. An existing folder is updated."
        ),
    )
    path = forms.CharField(
        max_length=1000,
        required=False,
        label=gettext_lazy("Then open"),
        help_text=gettext_lazy("A notebook or folder in the repository."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Library.objects.live().filter(owner_user=user).order_by("-is_default", "name_key")
        library = self.fields["library"]
        assert isinstance(library, forms.ModelChoiceField)
        library.queryset = own
        library.label_from_instance = lambda row: row.name  # type: ignore[method-assign,assignment]

    def place(self) -> tuple[Library, str, str] | None:
        """Library, folder and path that are named, valid or not; None without a library or folder."""
        given = {name: str(self[name].value() or "").strip("/ ") for name in ("repo", "folder", "path")}
        field = self.fields["library"]
        assert isinstance(field, forms.ModelChoiceField)
        chosen = self.cleaned_data.get("library") if self.is_bound and hasattr(self, "cleaned_data") else None
        library = chosen or (field.queryset.first() if field.queryset is not None else None)
        folder = given["folder"] or folder_of(given["repo"])
        return (library, folder, given["path"]) if library and folder else None

    def clean_repo(self) -> str:
        return clean_repo(self.cleaned_data["repo"])

    def clean_branch(self) -> str:
        branch: str = self.cleaned_data["branch"]
        if branch and not BRANCH.fullmatch(branch):
            raise ValidationError(gettext("This is not a valid name of a branch, tag or commit."))
        return branch

    def clean_path(self) -> str:
        try:
            return paths.relative_path(self.cleaned_data["path"])
        except paths.InvalidLocationError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        folder = (data.get("folder") or folder_of(data.get("repo", ""))).strip("/")
        names = folder.split("/")
        try:
            data["folder"] = "/".join(map(check_name, names))
        except StorageError as error:
            self.add_error("folder", str(error))
        if any(name.startswith(".") or not name.isprintable() for name in names):
            self.add_error("folder", gettext("Choose another name for the folder."))
        return data
