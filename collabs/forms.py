"""What people type about Collabs."""

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse

from groups.forms import GroupField
from portal import people
from portal.models import User

from .models import Collab, Role, tidy_title


class CollabForm(forms.ModelForm):
    """Create or change a Collab; titles are checked once more, with the row locked, by the service."""

    class Meta:
        model = Collab
        fields = ["title", "description", "is_public"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}


class MemberForm(forms.Form):
    """Add somebody to the team."""

    person = forms.CharField(
        max_length=254,
        help_text="Username or e-mail address; or begin a name, to find the username.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: object, collab: Collab, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].widget.attrs |= {
            "list": "suggestions",
            "hx-get": reverse("collabs:suggest", args=[collab.slug]),
            "hx-trigger": "input changed delay:200ms",
            "hx-target": "#suggestions",
            "hx-sync": "this:replace",
        }

    def clean_person(self) -> User:
        """The one active person of that username or address."""
        return people.find(self.cleaned_data["person"])


class RoleForm(forms.Form):
    """Change a member's role."""

    role = forms.ChoiceField(choices=Role.choices)


class GroupRoleForm(forms.Form):
    """Give a group a role."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        group = GroupField(help_text="Its name. Everybody in it has the role, now and later.")
        self.fields = {"group": group, **self.fields}


class DeleteForm(forms.Form):
    """Deleting asks for the title, so that nobody does it by a slip."""

    typed_title = forms.CharField(
        label="Type the Collab's title to delete it",
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: object, collab: Collab, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.collab = collab

    def clean_typed_title(self) -> str:
        """The title, in whichever way the keyboard composes its accents."""
        typed = tidy_title(self.cleaned_data["typed_title"])
        if typed != self.collab.title:
            raise ValidationError(f"This is not the Collab's title, which is “{self.collab.title}”.")
        return typed
