"""Pages for account deletion and data export."""

import io
import json
import zipfile
from typing import Any

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal import hooks
from portal.access import person

from . import deletion


class DeleteAccountForm(forms.Form):
    """One choice per belonging, and the username as confirmation."""

    def __init__(self, *args: object, belongings: list[deletion.Belonging], username: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.username = username
        for each in belongings:
            choices = [("", gettext("Please choose")), *each.choices]
            self.fields[each.key] = forms.ChoiceField(label=each.title, help_text=each.text, choices=choices)
        self.fields["typed_username"] = forms.CharField(
            label=gettext("Enter your username to confirm"),
            max_length=100,
            widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        )

    def clean_typed_username(self) -> str:
        """Require the exact username."""
        if self.cleaned_data["typed_username"].strip() != self.username:
            raise ValidationError(gettext("Enter your username, “%(username)s”.") % {"username": self.username})
        return self.username


@never_cache
@reauthentication_required
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Delete my account after a choice for each belonging."""
    user = person(request)
    form = DeleteAccountForm(request.POST or None, belongings=deletion.belongings(user), username=user.username)
    if form.is_valid():
        try:
            deletion.delete_account(user, form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            logout(request)
            messages.success(request, gettext("Your account was deleted."))
            return redirect("home")
    return render(request, "portal/delete_account.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """Download my data as a zip archive of JSON files."""
    user, packed = person(request), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        found: list[dict[str, Any]] = hooks.collect("account_export", user=user)
        for name, content in (item for part in found for item in part.items()):
            archive.writestr(name, json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
    headers = {
        "Content-Disposition": f'attachment; filename="{user.username}.zip"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(packed.getvalue(), content_type="application/zip", headers=headers)
