"""Forms of Collabs, their teams, invitations and join requests."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from groups.forms import GroupField
from portal.accounts.people_search import NO_ACCOUNT, NoAccountError
from portal.accounts.person_field import PersonOrAddressField
from portal.models import User

from . import tags
from .models import Collab, Role, tidy_title


class TagsField(forms.CharField):
    """Tags separated by commas; its value is a list."""

    def __init__(self) -> None:
        said = gettext_lazy("Up to {most} keywords, separated by commas: “fmri, mouse”.")
        text = format_lazy(said, most=tags.MAX_TAGS)
        super().__init__(label=gettext_lazy("Tags"), required=False, max_length=600, help_text=text)

    def clean(self, value: str) -> list[str]:
        """The tags, normalised."""
        return tags.split(super().clean(value))


class CollabForm(forms.ModelForm):
    """Create or change a Collab; titles are checked once more, with the row locked, by the service."""

    class Meta:
        model = Collab
        fields = ["title", "description", "is_public", "visitors_read", "coediting"]
        labels = {"title": gettext_lazy("Title"), "description": gettext_lazy("Description")}
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    tags = TagsField()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if not self.instance.pk or not settings.COEDITING:
            del self.fields["coediting"]
        if not self.instance.pk or not settings.VISITORS_READ_FILES:
            del self.fields["visitors_read"]
        if self.instance.pk:
            self.initial["tags"] = ", ".join(self.instance.tags.values_list("name", flat=True))

    def sections(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """The fields in groups, each with the end of its address on the page and its heading; a group may be away."""
        groups = [
            ("general", gettext("General"), ("title", "description", "tags")),
            ("visibility", gettext("Visibility"), ("is_public", "visitors_read")),
            ("editing", gettext("Editing together"), ("coediting",)),
        ]
        found = [
            (key, heading, [self[name] for name in names if name in self.fields]) for key, heading, names in groups
        ]
        return [group for group in found if group[2]]

    def clean(self) -> dict[str, Any]:
        """As Django's. Who makes a Collab private closes it to visitors, whatever is ticked."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if found.get("visitors_read") and not found["is_public"]:
            if not self.initial.get("visitors_read"):
                self.add_error("visitors_read", gettext("Visitors can read the files of a public Collab only."))
            found["visitors_read"] = False
        return found


class MemberForm(forms.Form):
    """Add somebody to the team, or invite who has no account yet."""

    person = PersonOrAddressField(
        label=gettext_lazy("Name or e-mail address"),
        help_text=gettext_lazy("Start typing a name to see people. Who has no account yet is invited by e-mail."),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: object, collab: Collab, asker: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].asked_by(asker, reverse("collabs:suggest", args=[collab.slug]))  # type: ignore[attr-defined]
        self.near: list[User] = []
        """People whose names begin with what was entered, where nobody has it as username or address."""

    def add_error(self, field: str | None, error: Any) -> None:
        """As Django's; the page lists who could be meant, so the sentence does not."""
        if isinstance(error, NoAccountError):
            self.near, error = error.near, ValidationError(NO_ACCOUNT)
        super().add_error(field, error)


class RoleForm(forms.Form):
    """Change a member's role."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)


class GroupRoleForm(forms.Form):
    """Give a group a role."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        group = GroupField(help_text=gettext("Its name. Everybody in the group has the role, now and later."))
        self.fields = {"group": group, **self.fields}


class InviteForm(forms.Form):
    """Invite by e-mail."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"), help_text=gettext_lazy("The person does not need an account yet.")
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER)
    days = forms.IntegerField(label=gettext_lazy("Valid for (days)"), min_value=1, max_value=365, initial=14)

    def values(self) -> dict[str, Any]:
        """Arguments for the services."""
        return self.cleaned_data | {"role": Role(self.cleaned_data["role"])}


class LinkForm(InviteForm):
    """Invite by link."""

    email = None  # type: ignore[assignment]
    uses = forms.IntegerField(
        label=gettext_lazy("Number of people who can use it"), min_value=1, max_value=1000, initial=1
    )


class NoteForm(forms.Form):
    """Ask to join."""

    note = forms.CharField(
        required=False,
        max_length=1000,
        label=gettext_lazy("Message to the administrators"),
        help_text=gettext_lazy("Who you are, and what you would like to do."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class AnswerForm(forms.Form):
    """Answer a join request."""

    answer = forms.ChoiceField(choices=[("approve", gettext_lazy("Approve")), ("decline", gettext_lazy("Decline"))])
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER)
    why = forms.CharField(required=False, max_length=1000)


class HandOverForm(forms.Form):
    """Hand a Collab over: the new administrator, and the person's own role afterwards."""

    person = forms.ModelChoiceField(
        User.objects.none(),
        to_field_name="username",
        label=gettext_lazy("New administrator"),
        help_text=gettext_lazy("An active member who was added to the team themselves, not through a group."),
    )
    stay_as = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Your own role afterwards"),
        choices=[
            ("editor", gettext_lazy("Editor")),
            ("viewer", gettext_lazy("Viewer")),
            ("", gettext_lazy("None: leave the Collab")),
        ],
        initial="editor",
    )

    def __init__(self, *args: object, collab: Collab, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        others = User.objects.filter(memberships__collab=collab, is_active=True).exclude(pk=user.pk)
        self.fields["person"].queryset = others.order_by("username")  # type: ignore[attr-defined]


class DirectoryForm(forms.Form):
    """Search, filters and order of the directory; all optional, and invalid values count as absent."""

    ORDERS = {
        "best": gettext_lazy("Best match"),
        "title": gettext_lazy("Title"),
        "new": gettext_lazy("Newest first"),
        "old": gettext_lazy("Oldest first"),
    }

    q = forms.CharField(required=False)
    tag = forms.CharField(required=False)
    order = forms.ChoiceField(required=False, choices=list(ORDERS.items()))
    mine = forms.BooleanField(required=False)
    favourites = forms.BooleanField(required=False)
    public = forms.BooleanField(required=False)
    archived = forms.BooleanField(required=False)


class DeleteForm(forms.Form):
    """Confirm deletion by typing the Collab's title."""

    typed_title = forms.CharField(
        label=gettext_lazy("Type the Collab's title to delete it"),
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: object, collab: Collab, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.collab = collab

    def clean_typed_title(self) -> str:
        """The title, however the keyboard composes its accents."""
        typed = tidy_title(self.cleaned_data["typed_title"])
        if typed != self.collab.title:
            raise ValidationError(
                gettext("This is not the Collab's title, which is “%(title)s”.") % {"title": self.collab.title}
            )
        return typed
