"""What people type about libraries and files."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from collabs.models import Collab
from portal import people
from portal.models import User

from .models import Library, Permission


class LibraryForm(forms.Form):
    """The name of one's library."""

    name = forms.CharField(max_length=100)


class PersonField(forms.CharField):
    """An active person, by username or e-mail address; the form says who asks."""

    asker: User

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"})
        text = "Username or e-mail address; or begin a name, to find the username."
        super().__init__(max_length=254, help_text=text, widget=widget, **kwargs)

    def clean(self, value: Any) -> User | None:
        """Whom it names; None for an empty field that need not be filled."""
        text = super().clean(value)
        return people.find(text, self.asker) if text else None


def suggesting(library: Library) -> dict[str, str]:
    """What makes a field of a library's owner suggest people while they type."""
    return {
        "list": "suggestions",
        "hx-get": reverse("drive:suggest", args=[library.pk]),
        "hx-trigger": "input changed delay:200ms",
        "hx-target": "#suggestions",
        "hx-sync": "this:replace",
    }


class ShareForm(forms.Form):
    """Share with a person or with a team one belongs to."""

    person = PersonField(required=False)
    team = forms.ModelChoiceField(Collab.objects.none(), required=False, empty_label="nobody", label="or the team of")
    permission = forms.ChoiceField(choices=Permission.choices, label="They")

    def __init__(self, *args: object, user: User, library: Library, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["team"].queryset = Collab.objects.of_member(user)  # type: ignore[attr-defined]
        self.fields["person"].widget.attrs |= suggesting(library)
        self.fields["person"].asker = user  # type: ignore[attr-defined]

    def clean(self) -> dict:
        data = super().clean() or {}
        if not self.errors and bool(data.get("person")) == bool(data.get("team")):
            raise ValidationError("Choose a person or a team.")
        return data


class TransferForm(forms.Form):
    """Who shall own a library."""

    person = PersonField(label="New owner")

    def __init__(self, *args: object, user: User, library: Library, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].widget.attrs |= suggesting(library)
        self.fields["person"].asker = user  # type: ignore[attr-defined]


class LinkForm(forms.Form):
    """How long a public link is good for, and what it asks."""

    last_day = forms.DateField(
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text="After this day the link leads nowhere. Empty: until you revoke it.",
    )
    password = forms.CharField(
        required=False,
        min_length=8,
        max_length=128,
        strip=False,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="Visitors are asked for it. At least eight characters; it is not shown again. Empty: none.",
    )

    def clean_last_day(self) -> date | None:
        """Today or later."""
        day: date | None = self.cleaned_data["last_day"]
        if day and day < timezone.localdate():
            raise ValidationError("This day is over.")
        if day and day.year > 9990:
            raise ValidationError("Choose an earlier day.")
        return day
