"""The form of the consent page."""

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.utils.translation import gettext_lazy

from portal.models import User

from .adapter import SCOPES


class ScopeCheckboxes(forms.CheckboxSelectMultiple):
    """Checkboxes; that of `openid` cannot be cleared, because a service that does not know who it is can do nothing."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        if value == "openid":
            option["attrs"]["disabled"] = True
        return option


class ConsentForm(forms.Form):
    """Scopes that a person lets a client have, of those that it asks for; and one of several addresses."""

    scopes = forms.MultipleChoiceField(label=gettext_lazy("Grant permissions"), widget=ScopeCheckboxes, required=False)

    def __init__(self, *args: Any, user: User, asked: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(name, text) for name, text in SCOPES.items() if name in asked]  # type: ignore[attr-defined]
        self.fields["scopes"].initial = asked
        verified = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "email")
        addresses = list(verified.values_list("email", flat=True)) if "email" in asked else []
        if len(addresses) > 1:
            choices = [(address, address) for address in addresses]
            self.fields["email"] = forms.ChoiceField(label="E-mail", choices=choices, required=False)

    def clean_scopes(self) -> list[str]:
        """Scopes that are ticked, and `openid`."""
        return sorted({"openid", *self.cleaned_data["scopes"]})
