"""A Collab's pages in Markdown: included at /collabs/<slug>/pages/."""

from django.urls import path, register_converter

from drive.files.paths import FilePathConverter

from . import views_markdown_pages

register_converter(FilePathConverter, "collab_page")

urlpatterns = [
    path("", views_markdown_pages.index, name="collab_pages"),
    path("<collab_page:path>", views_markdown_pages.page, name="collab_page"),
]
