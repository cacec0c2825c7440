"""Forms for libraries, shares and public links."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from collabs.models import Collab
from drive.models import Library, Permission
from portal.accounts.person_field import PersonField
from portal.models import User


class LibraryForm(forms.Form):
    """The name of one's library."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))


class ShareForm(forms.Form):
    """Share with a person or with a team one belongs to."""

    person = PersonField(required=False, label=gettext_lazy("Person"))
    team = forms.ModelChoiceField(
        Collab.objects.none(), required=False, empty_label=gettext_lazy("nobody"), label=gettext_lazy("or the team of")
    )
    permission = forms.ChoiceField(choices=Permission.choices, label=gettext_lazy("They"))

    def __init__(self, *args: object, user: User, library: Library, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["team"].queryset = Collab.objects.of_member(user)  # type: ignore[attr-defined]
        self.fields["person"].asked_by(user, reverse("drive:suggest", args=[library.pk]))  # type: ignore[attr-defined]

    def clean(self) -> dict:
        data = super().clean() or {}
        if not self.errors and bool(data.get("person")) == bool(data.get("team")):
            raise ValidationError(gettext("Choose a person or a team."))
        return data


class TransferForm(forms.Form):
    """New owner of a library."""

    person = PersonField(label=gettext_lazy("New owner"))

    def __init__(self, *args: object, user: User, library: Library, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].asked_by(user, reverse("drive:suggest", args=[library.pk]))  # type: ignore[attr-defined]


class LinkForm(forms.Form):
    """Expiry and password of a public link."""

    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text=gettext_lazy("The link stops working after this day. Leave empty for no end."),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        min_length=8,
        max_length=128,
        strip=False,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Visitors must enter it. At least eight characters; not shown again. Leave empty for no password."
        ),
    )

    def clean_last_day(self) -> date | None:
        """Today or later."""
        day: date | None = self.cleaned_data["last_day"]
        if day and day < timezone.localdate():
            raise ValidationError(gettext("This day has passed."))
        if day and day.year > 9990:
            raise ValidationError(gettext("Choose an earlier day."))
        return day


class UploadLinkForm(LinkForm):
    """An upload link: what is asked for, where it goes, and how much of it."""

    MEGABYTE = 2**20

    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=100,
        help_text=gettext_lazy("What you ask for, such as “Homework 3”. Senders see it, your name, and no file."),
    )
    folder = forms.CharField(
        label=gettext_lazy("Folder"),
        max_length=1000,
        strip=True,
        help_text=gettext_lazy("Its path in this library. It is made if it does not exist."),
    )
    message = forms.CharField(
        label=gettext_lazy("Message to the senders"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )
    asks_name = forms.BooleanField(
        label=gettext_lazy("Ask senders for their name"),
        required=False,
        initial=True,
        help_text=gettext_lazy("They need not say it. It comes before the name of the file."),
    )
    max_file = forms.IntegerField(
        label=gettext_lazy("Largest file, in MB"),
        required=False,
        min_value=1,
        max_value=10**9,
        help_text=gettext_lazy("Leave empty for no limit but the next one."),
    )
    max_total = forms.IntegerField(
        label=gettext_lazy("All files together, in MB"), min_value=1, max_value=10**9, initial=10_000
    )
    field_order = ["title", "folder", "message", "asks_name", "max_file", "max_total", "last_day", "password"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["last_day"].initial = timezone.localdate() + timedelta(days=30)
        self.fields["password"].help_text = gettext_lazy(
            "Senders must enter it. At least eight characters; not shown again. Leave empty for no password."
        )

    def clean_folder(self) -> str:
        """Without slashes around it."""
        return str(self.cleaned_data["folder"]).strip("/")

    def values(self, expires_at: datetime | None) -> dict[str, Any]:
        """What `upload_links.make_link` takes."""
        given = self.cleaned_data
        return {
            "path": given["folder"],
            "title": given["title"],
            "message": given["message"],
            "asks_name": given["asks_name"],
            "password": given["password"],
            "expires_at": expires_at,
            "max_bytes": given["max_total"] * self.MEGABYTE,
            "max_file_bytes": given["max_file"] * self.MEGABYTE if given["max_file"] else None,
        }
