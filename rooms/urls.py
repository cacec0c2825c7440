"""Addresses that only the proxy asks for."""

from django.urls import path

from . import views

app_name = "rooms"

urlpatterns = [path("portal", views.auth, name="auth")]
