"""What people fill in about themselves: sign-up, sign-in, their name."""

from typing import Any

from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.socialaccount.forms import SignupForm as AllauthProviderSignupForm
from django import forms
from django.conf import settings
from django.utils.html import format_html

from portal.models import User


class AccountForm(forms.ModelForm):
    """Name, as others see it. The username never changes: addresses and file paths are made of it."""

    class Meta:
        model = User
        fields = ["first_name", "last_name"]
        help_texts = {"last_name": "Shown to the people in your Collabs. Without a name they see your username."}


class LoginForm(AllauthLoginForm):
    """Sign-in by username or e-mail address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        self.fields["login"].label = "Username or e-mail"
        self.fields["login"].widget.attrs |= {"autocomplete": "username", "autocapitalize": "none"}
        self.fields["remember"].label = "Keep me signed in on this device"


class SignupForm(AllauthSignupForm):
    """Sign-up; says what a username is for, because it cannot be changed later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        _explain_username(self)
        self.fields["email"].label = "E-mail"
        self.fields["password2"].label = "Password again"


class ProviderSignupForm(AllauthProviderSignupForm):
    """The rest of what is needed of somebody who comes from a provider that tells no address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        _explain_username(self)
        self.fields["email"].label = "E-mail"


def _explain_username(form: forms.Form) -> None:
    form.fields["username"].widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}
    form.fields["username"].help_text = format_html(
        "Lower-case letters, digits and hyphens. It cannot be changed: it is part of your Lab’s address, "
        "<code>username.{}</code>.",
        settings.LAB_DOMAIN,
    )


def _drop_placeholders(form: forms.Form) -> None:
    """Labels say what a field is for; placeholders that repeat them only vanish when they are needed."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
