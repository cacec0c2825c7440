"""Addresses of the Lab's pages on the portal."""

from django.urls import path

from . import views, views_copies, views_gateway

app_name = "lab"

urlpatterns = [
    path("", views.home, name="home"),
    path("open", views.open_place, name="open"),
    path("copy", views_copies.copy, name="copy"),
    path("start", views.start, name="start"),
    path("stop", views.stop, name="stop"),
    path("status", views.status, name="status"),
    path("enter", views_gateway.issue_ticket, name="enter"),
]
