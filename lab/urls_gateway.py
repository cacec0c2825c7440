"""Addresses that only the proxy asks for; it answers 404 to a browser that tries them on the portal's origin."""

from django.urls import path

from . import views_gateway

app_name = "gateway"

urlpatterns = [
    path("auth", views_gateway.auth, name="auth"),
    path("arrive", views_gateway.arrive, name="arrive"),
    path("lab/enter", views_gateway.redeem_ticket, name="redeem"),
]
