"""Addresses of the OpenID Connect provider.

Ours come first; the rest are allauth's: `/.well-known/openid-configuration`, `/identity/o/…`.
"""

from django.urls import include, path

from . import views

urlpatterns = [
    path("identity/o/authorize", views.authorize),
    path("identity/o/authorize/consent", views.consent, name="identity_consent"),
    path("identity/o/api/token", views.token),
    path("identity/o/api/revoke", views.revoke_token),
    path("identity/o/api/userinfo", views.userinfo),
    path("identity/o/device", views.not_offered),
    path("identity/o/api/device/code", views.not_offered),
    path("account/services/", views.mine, name="services"),
    path("account/services/<str:client_id>/revoke/", views.revoke, name="revoke_service"),
    path("", include("allauth.idp.urls")),
]
