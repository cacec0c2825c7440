"""Public links, for visitors: included at /l/."""

from django.urls import path, register_converter

from . import views_links
from .addresses import FilePathConverter

register_converter(FilePathConverter, "linked_file")

urlpatterns = [
    path("<str:token>/", views_links.link, name="link"),
    path("<str:token>/<linked_file:path>", views_links.link, name="link_path"),
]
