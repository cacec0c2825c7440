"""Administration of OpenID Connect clients: services that people can sign in to with their account."""

from typing import Any

from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.models import Client, Token
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.html import format_html

from portal import audit
from portal.admin import AuditedAdmin

from . import redirect_uris, services
from .adapter import FOR_SIGN_IN, GRANTS, SCOPES

admin.site.unregister(Client)
admin.site.unregister(Token)


class ClientForm(forms.ModelForm):
    """Form for a client; grants and default scopes follow."""

    allowed = forms.MultipleChoiceField(
        label="allowed scopes",
        choices=[(name, f"{name}: {text}") for name, text in SCOPES.items()],
        initial=list(FOR_SIGN_IN),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Client
        fields = ["name", "type", "redirect_uris", "skip_consent"]
        help_texts = {
            "name": "Shown to people on the consent page.",
            "type": "Public: an application that cannot keep a secret, such as one in a browser or on a phone.",
            "redirect_uris": "Addresses that people are led back to, one per line; on 127.0.0.1 and [::1] at any port.",
            "skip_consent": "Skip the consent page. Only for services of your own.",
        }
        labels = {"skip_consent": "trusted"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["redirect_uris"].required = True
        if self.instance.pk and not self.instance._state.adding:
            self.initial["allowed"] = self.instance.get_scopes()

    def clean_allowed(self) -> list[str]:
        """Allowed scopes, with `openid` always included."""
        return sorted({"openid", *self.cleaned_data["allowed"]}, key=list(SCOPES).index)

    def clean_redirect_uris(self) -> str:
        """Redirect URIs, one a line."""
        addresses = self.cleaned_data["redirect_uris"].split()
        for address in addresses:
            redirect_uris.validate(address)
        return "\n".join(addresses)


@admin.register(Client)
class ClientAdmin(AuditedAdmin):
    """Clients; a secret is shown once, when it is created."""

    form = ClientForm
    list_display = ["name", "id", "type", "skip_consent", "created_at"]
    list_filter = ["type", "skip_consent"]
    search_fields = ["id", "name"]
    fields = ["name", "type", "redirect_uris", "allowed", "skip_consent", "id"]
    readonly_fields = ["id"]
    actions = ["new_secret", "remove"]

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        """Save with an audit entry, and with a secret if it is new."""
        obj.set_scopes(form.cleaned_data["allowed"])
        obj.set_default_scopes(["openid"])
        obj.set_grant_types(list(GRANTS))
        obj.set_response_types(["code"])
        if not change:
            self._give_secret(request, obj)
        super().save_model(request, obj, form, change)
        verb = "identity.client.changed" if change else "identity.client.created"
        audit.record(request.user, verb, obj, fields=form.changed_data)  # type: ignore[arg-type]

    def _give_secret(self, request: HttpRequest, client: Client) -> None:
        secret = get_adapter().generate_client_secret()
        client.set_secret(secret)
        if client.type == Client.Type.CONFIDENTIAL:
            shown = format_html(
                "{}: copy the secret now, it is not shown again: <code>{}</code>. The client id is <code>{}</code>.",
                client.name,
                secret,
                client.pk,
            )
            messages.warning(request, shown)

    @admin.action(description="Create a new secret; the old one stops working now", permissions=["change"])
    def new_secret(self, request: HttpRequest, queryset: models.QuerySet[Client]) -> None:
        """Bulk action."""

        @transaction.atomic
        def renew(client: Client) -> None:
            if client.type != Client.Type.CONFIDENTIAL:
                raise ValidationError("A public client has no secret.")
            self._give_secret(request, client)
            client.save(update_fields=["secret"])
            audit.record(request.user, "identity.client.secret", client)  # type: ignore[arg-type]

        self.change_each(request, queryset, renew, "New secret")

    @admin.action(description="Remove, and revoke its tokens", permissions=["change"])
    def remove(self, request: HttpRequest, queryset: models.QuerySet[Client]) -> None:
        """Bulk action."""
        self.change_each(request, queryset, lambda client: services.remove_client(request.user, client), "Removed")  # type: ignore[arg-type]
