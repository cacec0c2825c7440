"""Addresses of the EBRAINS Lab and Drive, which stand in papers, notebooks and bookmarks."""

from django.urls import path, register_converter

from drive.files.paths import FilePathConverter

from . import views

register_converter(FilePathConverter, "old_file")

urlpatterns = [
    path("hub", views.lab),
    path("hub/", views.lab),
    path("hub/home", views.lab),
    path("hub/spawn", views.lab),
    path("hub/user-redirect/<old_file:rest>", views.user_redirect),
    path("user-redirect/<old_file:rest>", views.user_redirect),
    path("user/<str:username>/<old_file:rest>", views.users_own),
    path("lib/<uuid:library_id>/", views.library),
    path("lib/<uuid:library_id>/file/<old_file:rest>", views.library),
    path("library/<uuid:library_id>/<str:name>/", views.library),
    path("library/<uuid:library_id>/<str:name>/<old_file:rest>", views.library),
]
