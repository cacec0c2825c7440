"""Forms for a new personal access token."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext, gettext_lazy

from drive.folders import MOUNTED
from drive.libraries.visibility import Entry, entries
from portal.models import User

from .models import Scope
from .services import MOST_DAYS


class TokenForm(forms.Form):
    """Name, scopes and lifetime of a new token."""

    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What the token is for, such as “backup on my laptop”."),
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.READ.value],
        label=gettext_lazy("Scopes"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("A token never has more permissions than you have."),
    )
    days = forms.IntegerField(label=gettext_lazy("Valid for (days)"), min_value=1, max_value=MOST_DAYS, initial=90)


class ConnectionForm(forms.Form):
    """A token for a program that reads or writes files: what it may, where, and for how long."""

    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Which program, where: “rclone on my laptop”."),
    )
    may = forms.ChoiceField(
        choices=[("rw", gettext_lazy("Read and write")), ("r", gettext_lazy("Read only"))],
        initial="rw",
        label=gettext_lazy("It may"),
        widget=forms.RadioSelect,
    )
    reach = forms.ChoiceField(
        choices=[
            ("all", gettext_lazy("All libraries that I see, now and later")),
            ("some", gettext_lazy("Only these:")),
        ],
        initial="all",
        label=gettext_lazy("In"),
        widget=forms.RadioSelect,
    )
    libraries = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Libraries"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("For “Only these”."),
    )
    days = forms.IntegerField(label=gettext_lazy("Valid for (days)"), min_value=1, max_value=MOST_DAYS, initial=365)

    def __init__(self, *args: Any, user: User, entry: Entry | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = entries(user, folders=MOUNTED)
        if entry and entry.folder not in MOUNTED:
            found.append(entry)
        names = {str(one.library_id): f"{one.name} ({one.folder})" for one in found}
        self.fields["libraries"].choices = list(names.items())  # type: ignore[attr-defined]
        if entry:
            self.initial = {**self.initial, "reach": "some", "libraries": [str(entry.library_id)]}

    def clean(self) -> dict[str, Any]:
        """Refuse a limit to nothing: it was not meant."""
        data = super().clean() or {}
        if data.get("reach") == "some" and not data.get("libraries"):
            self.add_error("libraries", gettext("Choose the libraries."))
        return data

    def scopes(self) -> list[Scope]:
        """Scopes of the token."""
        return [Scope.READ, Scope.WRITE] if self.cleaned_data["may"] == "rw" else [Scope.READ]

    def limit(self) -> list[UUID] | None:
        """Ids of the libraries that it is limited to; None for no limit."""
        data = self.cleaned_data
        return [UUID(one) for one in data["libraries"]] if data["reach"] == "some" else None
