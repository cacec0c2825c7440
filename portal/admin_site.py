"""Administration site: Django's admin with our name, sign-in page and style."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from .access import ForbiddenError, SignInRequiredError
from .version import VERSION


class PortalAdminConfig(AdminConfig):
    """Makes our administration site the default."""

    default_site = "portal.admin_site.PortalAdminSite"


class PortalAdminSite(admin.AdminSite):
    """Administration for staff accounts, with the site's own sign-in page and its rate limits."""

    index_title = "People, Collabs, libraries, servers"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Django's context with the site's name, and the version for the footer."""
        name = f"{settings.SITE_NAME} administration"
        return super().each_context(request) | {"site_header": name, "site_title": name, "version": VERSION}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the sign-in page and back; ForbiddenError for people who are not operators."""
        target = request.GET.get(REDIRECT_FIELD_NAME, "")
        if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
            target = reverse("admin:index")
        if self.has_permission(request):
            return redirect(target)
        if request.user.is_authenticated:
            raise ForbiddenError("Only operators of this site (staff accounts) can open these pages.")
        raise SignInRequiredError

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the sign-out page, which asks for confirmation."""
        return redirect("account_logout")

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the password page."""
        return redirect("account_change_password")
