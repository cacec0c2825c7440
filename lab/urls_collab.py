"""Addresses of the Lab's pages in a Collab's settings."""

from django.urls import path

from . import views_environments

urlpatterns = [
    path("environment/", views_environments.of_collab, name="collab_environment"),
]
