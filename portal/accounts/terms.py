"""Terms of use: accepted at sign-up, and asked again when they change.

What a person accepted stands with the account; the audit trail keeps each version with its time.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext

from portal import audit, institution
from portal.models import User


class TermsField(forms.BooleanField):
    """Tick to accept the terms; its value in the form is their version: nobody accepts what they did not see."""

    def __init__(self) -> None:
        self.version = institution.terms_version()
        label = format_html(gettext('I accept the <a href="{address}">terms of use</a>'), address="/terms/")
        super().__init__(label=label, widget=_VersionInput(self.version))

    def to_python(self, value: Any) -> str:  # type: ignore[override]
        """The version that was shown; ValidationError if there is a newer one."""
        if value and value != self.version:
            raise ValidationError(gettext("The terms of use have changed. Please read and accept them again."))
        return str(value or "")

    def validate(self, value: Any) -> None:
        """Require the tick."""
        if not value:
            raise ValidationError(self.error_messages["required"], code="required")


class _VersionInput(forms.CheckboxInput):
    def __init__(self, version: str) -> None:
        super().__init__(check_test=lambda _: False)
        self.version = version

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, None, attrs)
        context["widget"]["value"] = self.version
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:  # type: ignore[override]
        return str(data.get(name, ""))


def exist() -> bool:
    """True if the site has terms of use."""
    return bool(institution.terms_version())


def must_accept(user: User) -> bool:
    """True if there are terms, and the person has not accepted these."""
    version = institution.terms_version()
    return bool(version) and user.terms_version != version


@transaction.atomic
def accept(user: User, version: str) -> None:
    """Record that the person accepts this version."""
    user.terms_version, user.terms_accepted_at = version, timezone.now()
    User.objects.filter(pk=user.pk).update(terms_version=version, terms_accepted_at=user.terms_accepted_at)
    audit.record(user, "account.terms.accepted", user, version=version)
