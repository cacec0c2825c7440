"""Account forms: sign-up, sign-in, name."""

from typing import Any

from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.socialaccount.forms import SignupForm as AllauthProviderSignupForm
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from portal import institution
from portal.models import User

from . import provider_adapter
from .terms import TermsField


class AccountForm(forms.ModelForm):
    """Name as others see it. The username never changes: it is part of addresses and file paths."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "language"]
        help_texts = {"last_name": gettext_lazy("Shown to other people instead of your username.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", gettext("As your browser asks")), *settings.LANGUAGES]
        self.fields["language"] = forms.ChoiceField(
            choices=choices,
            required=False,
            label=gettext("Language"),
            help_text=gettext("Of pages, mails and messages."),
        )
        if len(settings.LANGUAGES) == 1:
            del self.fields["language"]


class LoginForm(AllauthLoginForm):
    """Sign-in by username or e-mail address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        self.fields["login"].label = gettext("Username or e-mail")
        self.fields["login"].widget.attrs |= {"autocomplete": "username", "autocapitalize": "none"}
        self.fields["remember"].label = gettext("Keep me signed in on this device")


class SignupForm(AllauthSignupForm):
    """Sign-up, with an explanation of the username, which cannot be changed later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        _explain_username(self)
        self.fields["email"].label = gettext("E-mail")
        self.fields["password2"].label = gettext("Confirm password")
        _ask_for_terms(self)


class ProviderSignupForm(AllauthProviderSignupForm):
    """Sign-up of people whose provider gives no e-mail address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _drop_placeholders(self)
        _explain_username(self)
        self.fields["email"].label = gettext("E-mail")
        _ask_for_terms(self)

    def validate_unique_email(self, value: str) -> str:
        """Note whether the address has an account, which the form does not say."""
        self.account_already_exists = provider_adapter.has_account(value)
        return value

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """The new account; or None, and the answer to somebody whose address has one."""
        if self.account_already_exists:
            return None, provider_adapter.answer_as_if_free(request, self.cleaned_data["email"])
        user, response = super().try_save(request)
        return user, response


def _explain_username(form: forms.Form) -> None:
    form.fields["username"].widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}
    form.fields["username"].help_text = format_html(
        gettext(
            "Lower-case letters, digits and hyphens. It cannot be changed: it is part of your Lab’s address, "
            "<code>username.{domain}</code>."
        ),
        domain=settings.LAB_DOMAIN,
    )


def _ask_for_terms(form: forms.Form) -> None:
    if institution.terms_version():
        form.fields["terms"] = TermsField()


def _drop_placeholders(form: forms.Form) -> None:
    """Remove placeholders, which repeat the labels and vanish when somebody types."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
