"""The Drive within a Collab's pages: included at /collabs/<slug>/files/."""

from django.urls import path, register_converter

from drive.files.paths import FilePathConverter

from . import views_library

register_converter(FilePathConverter, "collab_file")

urlpatterns = [
    path("", views_library.collab_files, name="collab_files"),
    path("<collab_file:path>", views_library.collab_files, name="collab_path"),
]
