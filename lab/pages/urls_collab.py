"""Address of a Collab's packages for the Lab."""

from django.urls import path

from . import views_packages

urlpatterns = [
    path("", views_packages.collab_packages, name="collab_packages"),
]
