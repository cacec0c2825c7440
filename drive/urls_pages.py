"""A Collab's pages in Markdown: included at /collabs/<slug>/pages/."""

from django.urls import path, register_converter

from . import views_pages
from .addresses import FilePathConverter

register_converter(FilePathConverter, "collab_page")

urlpatterns = [
    path("", views_pages.index, name="collab_pages"),
    path("<collab_page:path>", views_pages.page, name="collab_page"),
]
