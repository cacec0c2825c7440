"""The Drive within a Collab's pages: included at /collabs/<slug>/files/."""

from django.urls import path, register_converter

from . import views
from .addresses import FilePathConverter

register_converter(FilePathConverter, "collab_file")

urlpatterns = [
    path("", views.collab_files, name="collab_files"),
    path("<collab_file:path>", views.collab_files, name="collab_path"),
]
