"""Form field for a person, with suggestions while typing."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy

from portal.models import User

from . import people_search


def autocomplete_attributes(address: str, target: str = "suggestions") -> dict[str, str]:
    """Attributes of an autocomplete field that loads options of the datalist `target` from `address` (htmx)."""
    return {
        "autocomplete": "off",
        "spellcheck": "false",
        "list": target,
        "hx-get": address,
        "hx-trigger": "input changed delay:200ms",
        "hx-target": f"#{target}",
        "hx-sync": "this:replace",
    }


class PersonField(forms.CharField):
    """An active person, by username or e-mail address. The form sets the searching person with `asked_by`."""

    asker: User

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text", gettext_lazy("Username or e-mail address. Start typing a name to see suggestions.")
        )
        super().__init__(max_length=254, widget=forms.TextInput({"autocapitalize": "none"}), **kwargs)

    def asked_by(self, asker: User, suggest: str) -> None:
        """Set the searching person and the address of the suggestions."""
        self.asker = asker
        self.widget.attrs |= autocomplete_attributes(suggest)

    def clean(self, value: Any) -> User | None:
        """The person; None for an empty optional field."""
        text = super().clean(value)
        return people_search.find_person(text, self.asker) if text else None


class PersonOrAddressField(PersonField):
    """An active person; or, as a string in lower case, an e-mail address that no account has."""

    def clean(self, value: Any) -> User | str | None:  # type: ignore[override]
        """The person or the address; None for an empty optional field. ValidationError for other words."""
        try:
            return super().clean(value)
        except people_search.NoAccountError as error:
            address = str(value).strip().lower()
            try:
                validate_email(address)
            except ValidationError:
                raise error from None
            return address
