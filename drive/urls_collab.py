"""The Drive within a Collab's pages: included at /collabs/<slug>/files/."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.collab_files, name="collab_files"),
    path("<path:path>", views.collab_files, name="collab_path"),
]
