"""Adapter of allauth's account pages: sign-up policy, safe redirects, mails, client address."""

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import get_language, gettext, gettext_lazy

from portal import languages
from portal.models import DirectoryAccount, User

from . import password_attempts, provider_adapter, services, terms

TOO_MANY_ATTEMPTS = gettext_lazy(
    "Too many wrong passwords from here. Try again in five minutes, or choose a new password by mail "
    "(“Forgot your password?”)."
)
TOO_MANY_SIGN_INS = gettext_lazy("Too many sign-ins from your network; try again in a minute.")


class AccountAdapter(DefaultAccountAdapter):
    """Policy and side effects of allauth's account pages."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """True if SIGNUP is `open`."""
        return settings.SIGNUP == "open"

    def is_safe_url(self, url: str) -> bool:
        """True if redirecting there is safe; malformed addresses such as `http://[` are not."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def logout(self, request: HttpRequest) -> None:
        """Sign out, and run the hooks if it was the person's last session."""
        user = User.objects.filter(pk=request.user.pk or 0).first()
        super().logout(request)
        if user:
            services.signed_out(user)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The new account, with the language in which its person signed up, and the terms that they accepted."""
        user.language = languages.offered(get_language() or "")
        saved: User = super().save_user(request, user, form, commit)
        if saved.pk and form.cleaned_data.get("terms"):
            terms.accept(saved, form.cleaned_data["terms"])
        return saved

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail with the site's own name and address, in the person’s language."""
        site = SimpleNamespace(name=settings.SITE_NAME, domain=urlsplit(settings.PORTAL_URL).netloc)
        ours = {name: _at_home(value) for name, value in context.items()}
        with translation.override(_language_of(email, context.get("user"))):
            super().send_mail(template_prefix, email, ours | {"current_site": site, "portal_url": settings.PORTAL_URL})

    def clean_password(self, password: str, user: User | None = None) -> str:
        """No password of ours for people of the directory: it would go on when the directory's has changed."""
        if settings.LDAP and user and DirectoryAccount.objects.filter(user=user.pk).exists():
            raise ValidationError(gettext("Your password is that of your institution's directory. Change it there."))
        cleaned: str = super().clean_password(password, user)
        return cleaned

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **more: Any
    ) -> HttpResponse:
        """Complete a sign-in, after the second factor if there is one; applies the provider's groups."""
        if signal_kwargs and (sociallogin := signal_kwargs.get("sociallogin")):
            provider_adapter.follow_groups(user, sociallogin)
            if subject := sociallogin.state.get(provider_adapter.SAML_SUBJECT):
                request.session[provider_adapter.SAML_SUBJECT] = subject
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **more)
        password_attempts.remember_browser(request, response, user)
        return response

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person whose password this is, at sign-in and where it is asked for again.

        Our limits count wrong passwords by account and place; allauth's count by account alone. ValidationError above.
        """
        attempt = password_attempts.Attempt.of(request, credentials)
        try:
            attempt.begin()
        except password_attempts.TooManySignInsError as error:
            raise ValidationError(TOO_MANY_SIGN_INS, code="too_many_login_attempts") from error
        except password_attempts.TooManyAttemptsError as error:
            raise ValidationError(TOO_MANY_ATTEMPTS, code="too_many_login_attempts") from error
        user: User | None = super().authenticate(request, **credentials)
        if user:
            attempt.was_right()
        else:
            attempt.was_wrong()
        return user

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: `authenticate` counts."""

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Called by allauth when a password was reset by mail."""
        password_attempts.Attempt.of(request, credentials).forgive()

    def get_client_ip(self, request: HttpRequest) -> str:
        """Client address: the peer's, or, over our unix socket, the one that nginx reports.

        Only nginx can connect to the socket (which has no peer address), and it overwrites `X-Forwarded-For` with the
        one address that it sees. A request that came over TCP may have forged the header.
        """
        return request.META.get("REMOTE_ADDR") or request.headers.get("X-Forwarded-For") or "local"


def _language_of(email: str, user: Any) -> str:
    """Language that the person chose; else that of the page, as it was probably they who asked for the mail."""
    if not isinstance(user, User):
        user = User.objects.filter(emailaddress__email=email).first()
    return (user and languages.offered(user.language)) or get_language() or settings.LANGUAGE_CODE


def _at_home(value: Any) -> Any:
    """An address that allauth built from the request's Host, moved to PORTAL_URL; other values unchanged."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        return value
    parts = urlsplit(value)
    return f"{settings.PORTAL_URL}{parts.path}{'?' if parts.query else ''}{parts.query}"
