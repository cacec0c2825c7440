"""What people type about Collabs."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse

from groups.forms import GroupField
from portal.fields import PersonField
from portal.models import User

from . import tags
from .models import Collab, Role, tidy_title


class TagsField(forms.CharField):
    """Tags with commas between; gives a list."""

    def __init__(self) -> None:
        text = f"Up to {tags.MOST} words by which others find it, with commas between: “fmri, mouse”."
        super().__init__(required=False, max_length=600, help_text=text)

    def clean(self, value: str) -> list[str]:
        """The tags as they are kept."""
        return tags.split(super().clean(value))


class CollabForm(forms.ModelForm):
    """Create or change a Collab; titles are checked once more, with the row locked, by the service."""

    class Meta:
        model = Collab
        fields = ["title", "description", "is_public"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    tags = TagsField()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.instance.pk:
            self.initial["tags"] = ", ".join(self.instance.tags.values_list("name", flat=True))


class MemberForm(forms.Form):
    """Add somebody to the team."""

    person = PersonField()
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: object, collab: Collab, asker: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].asked_by(asker, reverse("collabs:suggest", args=[collab.slug]))  # type: ignore[attr-defined]


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


class InviteForm(forms.Form):
    """Invite an address."""

    email = forms.EmailField(label="E-mail address", help_text="Also of somebody who has no account yet.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)
    days = forms.IntegerField(label="Open for so many days", min_value=1, max_value=365, initial=14)

    def values(self) -> dict[str, Any]:
        """As the services take them."""
        return self.cleaned_data | {"role": Role(self.cleaned_data["role"])}


class LinkForm(InviteForm):
    """Invite whoever has a link."""

    email = None  # type: ignore[assignment]
    uses = forms.IntegerField(label="For so many people", min_value=1, max_value=1000, initial=1)


class NoteForm(forms.Form):
    """Ask to join."""

    note = forms.CharField(
        required=False,
        max_length=1000,
        label="A word to the administrators",
        help_text="Who you are, and what you would like to do.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class AnswerForm(forms.Form):
    """Answer a request."""

    answer = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")])
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)
    why = forms.CharField(required=False, max_length=1000)


class HandOverForm(forms.Form):
    """Who takes over, and what becomes of oneself."""

    person = forms.ModelChoiceField(
        User.objects.none(),
        to_field_name="username",
        label="To",
        help_text="An active member with a role of their own.",
    )
    stay_as = forms.ChoiceField(
        required=False,
        label="I",
        choices=[("editor", "stay as editor"), ("viewer", "stay as viewer"), ("", "leave the Collab")],
        initial="editor",
    )

    def __init__(self, *args: object, collab: Collab, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        others = User.objects.filter(memberships__collab=collab, is_active=True).exclude(pk=user.pk)
        self.fields["person"].queryset = others.order_by("username")  # type: ignore[attr-defined]


class DirectoryForm(forms.Form):
    """What one looks for; everything may be left out, and what makes no sense counts as left out."""

    ORDERS = {"best": "Best match", "title": "Title", "new": "Newest first", "old": "Oldest first"}

    q = forms.CharField(required=False)
    tag = forms.CharField(required=False)
    order = forms.ChoiceField(required=False, choices=list(ORDERS.items()))
    mine = forms.BooleanField(required=False)
    favourites = forms.BooleanField(required=False)
    public = forms.BooleanField(required=False)
    archived = forms.BooleanField(required=False)


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
