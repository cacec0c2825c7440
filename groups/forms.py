"""Forms of groups, their people and managers."""

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from portal.accounts.person_field import PersonField, autocomplete_attributes
from portal.models import User
from portal.text.unique_names import name_key, tidy_title

from .models import Group


class GroupForm(forms.ModelForm):
    """Create or change a group; names are checked once more by the service."""

    class Meta:
        model = Group
        fields = ["name", "description"]
        labels = {"name": gettext_lazy("Name"), "description": gettext_lazy("Description")}
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}


class PersonForm(forms.Form):
    """Add a member or a manager."""

    person = PersonField(label=gettext_lazy("Person"))

    def __init__(self, *args: object, group: Group, asker: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["person"].asked_by(asker, reverse("groups:suggest", args=[group.slug]))  # type: ignore[attr-defined]


class GroupField(forms.CharField):
    """A group by its name, with suggestions while typing."""

    def __init__(self, **options: object) -> None:
        super().__init__(max_length=200, label=gettext_lazy("Group"), **options)  # type: ignore[arg-type]
        self.widget.attrs |= autocomplete_attributes(reverse("groups:names"), "groups")

    def clean(self, value: str) -> Group:
        """The group of that name. ValidationError otherwise."""
        name = super().clean(value).replace("\0", " ")
        group = Group.objects.filter(name_key=name_key(tidy_title(name))).first()
        if group is None:
            raise ValidationError(
                gettext("There is no group “%(name)s”. The groups of this site are on the page “Groups”.")
                % {"name": name}
            )
        return group


class NestForm(forms.Form):
    """Nest a group in this one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["group"] = GroupField(help_text=gettext("Everybody in it, now and later, is in this group too."))


class DeleteForm(forms.Form):
    """Confirm deletion by typing the group's name."""

    typed_name = forms.CharField(
        label=gettext_lazy("Type the group's name to delete it"),
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: object, group: Group, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.group = group

    def clean_typed_name(self) -> str:
        """The name, however the keyboard composes its accents."""
        typed = tidy_title(self.cleaned_data["typed_name"])
        if typed != self.group.name:
            raise ValidationError(
                gettext("This is not the group's name, which is “%(name)s”.") % {"name": self.group.name}
            )
        return typed
