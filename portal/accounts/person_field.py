"""Form fields that find something while one types."""

from typing import Any

from django import forms

from portal.models import User

from . import people_search


def autocomplete_attributes(address: str, target: str = "suggestions") -> dict[str, str]:
    """What makes a field ask `address` for options of the page's datalist `target` while somebody types."""
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
    """An active person, by username or e-mail address. The form says who asks (`asked_by`)."""

    asker: User

    def __init__(self, **kwargs: Any) -> None:
        text = "Username or e-mail address; or begin a name, to find the username."
        super().__init__(max_length=254, help_text=text, widget=forms.TextInput({"autocapitalize": "none"}), **kwargs)

    def asked_by(self, asker: User, suggest: str) -> None:
        """Who looks for people, and where the page asks for names."""
        self.asker = asker
        self.widget.attrs |= autocomplete_attributes(suggest)

    def clean(self, value: Any) -> User | None:
        """Whom it names; None for an empty field that need not be filled."""
        text = super().clean(value)
        return people_search.find_person(text, self.asker) if text else None
