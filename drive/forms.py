"""What people type about libraries and files."""

from django import forms
from django.core.exceptions import ValidationError

from collabs.models import Collab
from portal import people
from portal.models import User

from .models import Permission


class LibraryForm(forms.Form):
    """The name of one's library."""

    name = forms.CharField(max_length=100)


class ShareForm(forms.Form):
    """Share with a person or with a team one belongs to."""

    person = forms.CharField(required=False, help_text="Username or e-mail address.")
    team = forms.ModelChoiceField(Collab.objects.none(), required=False, empty_label="nobody", label="or the team of")
    permission = forms.ChoiceField(choices=Permission.choices)

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["team"].queryset = Collab.objects.of_member(user)  # type: ignore[attr-defined]

    def clean_person(self) -> User | None:
        """The one active person of that username or address."""
        text = self.cleaned_data["person"]
        return people.find(text) if text else None

    def clean(self) -> dict:
        data = super().clean() or {}
        if not self.errors and bool(data.get("person")) == bool(data.get("team")):
            raise ValidationError("Choose a person or a team.")
        return data
