"""Public links, for visitors: included at /l/."""

from django.urls import path, register_converter

from drive.files.paths import FilePathConverter

from . import views_public_link

register_converter(FilePathConverter, "linked_file")

urlpatterns = [
    path("<str:token>/", views_public_link.link, name="link"),
    path("<str:token>/<linked_file:path>", views_public_link.link, name="link_path"),
]
