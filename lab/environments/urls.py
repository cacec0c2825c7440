"""Addresses of the Lab's pages in a Collab's settings."""

from django.urls import path

from . import views

urlpatterns = [
    path("environment/", views.collab_environment, name="collab_environment"),
]
