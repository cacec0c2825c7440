"""URL configuration. Addresses stay: a link in a paper must work in ten years."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from . import views
from .accounts import views_deletion, views_providers, views_sessions, views_terms
from .ops import views_health
from .web import views_institution
from .web.language import choose as choose_language
from .web.views_documentation import documentation

handler400 = "portal.web.views_errors.bad_request"
handler429 = "portal.web.views_errors.too_many"
handler500 = "portal.web.views_errors.server_error"

_HAS_SAML = bool(settings.SAML_PROVIDERS)

urlpatterns = [
    path("", views.home, name="home"),
    path("collabs/<slug:slug>/files/", include("drive.browser.urls_collab")),
    path("collabs/<slug:slug>/pages/", include("drive.browser.urls_markdown_pages")),
    path("collabs/<slug:slug>/settings/", include("lab.environments.urls")),
    path("language/", choose_language, name="choose_language"),
    path("collabs/<slug:slug>/packages/", include("lab.pages.urls_collab")),
    path("institution/logo", views_institution.logo, name="institution_logo"),
    path("institution/colours.css", views_institution.stylesheet, name="institution_colours"),
    path("imprint/", views_institution.document, {"name": "imprint"}, name="imprint"),
    path("privacy/", views_institution.document, {"name": "privacy"}, name="privacy"),
    path("terms/", views_institution.document, {"name": "terms"}, name="terms"),
    path("terms/accept/", views_terms.accept_terms, name="accept_terms"),
    path("notices/", include("notices.urls")),
    path("groups/", include("groups.urls")),
    path("collabs/", include("collabs.urls")),
    path("search/", include("search.urls")),
    path("drive/", include("drive.urls")),
    path("l/", include("drive.browser.urls_public_link")),
    path("u/", include("drive.browser.urls_upload_link")),
    path("lab/", include("lab.urls")),
    path("_gateway/", include("drive.uploads.urls_gateway")),
    path("_gateway/upload-link", include("drive.browser.urls_gateway")),
    path("", include("webdav.urls")),
    path("", include("seafile.urls")),
    path("_gateway/rooms/", include("rooms.urls")),
    path("_gateway/", include("lab.gateway.urls")),
    path("account/", views.account, name="account"),
    path("account/export/", views_deletion.export, name="account_export"),
    path("account/delete/", views_deletion.delete, name="delete_account"),
    path("account/tokens/", include("api.urls_account")),
    path("account/connect/", include("api.urls_connect")),
    path("account/sessions/<int:pk>/end/", views_sessions.end, name="end_session"),
    path("", include("identity.urls")),
    path("account/oidc/<slug:provider_id>/login/", views_providers.leave),
    *([path("account/saml/<slug:organization_slug>/", include("portal.accounts.views_saml"))] if _HAS_SAML else []),
    path("account/", include("allauth.urls")),
    path("api/", include("api.urls")),
    path("rest/v1/", include("api.urls_ebrains")),
    path("bin/view/Collabs/", include("api.urls_wiki_redirects")),
    path("", include("lab.ebrains_redirects.urls")),
    path("", include("console.urls")),
    path("admin/", admin.site.urls),
    path("docs/", documentation, name="documentation"),
    path("docs/<path:path>", documentation, name="documentation_page"),
    path("healthz", views_health.healthz, name="healthz"),
    path("metrics", views_health.metrics, name="metrics"),
    path("readyz", views_health.readyz, name="readyz"),
]
