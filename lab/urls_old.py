"""Addresses of the EBRAINS Lab and Drive, which stand in papers, notebooks and bookmarks."""

from django.urls import path, register_converter

from drive.addresses import FilePathConverter

from . import views_old

register_converter(FilePathConverter, "old_file")

urlpatterns = [
    path("hub", views_old.lab),
    path("hub/", views_old.lab),
    path("hub/home", views_old.lab),
    path("hub/spawn", views_old.lab),
    path("hub/user-redirect/<old_file:rest>", views_old.user_redirect),
    path("user-redirect/<old_file:rest>", views_old.user_redirect),
    path("user/<str:username>/<old_file:rest>", views_old.users_own),
    path("lib/<uuid:library_id>/", views_old.library),
    path("lib/<uuid:library_id>/file/<old_file:rest>", views_old.library),
    path("library/<uuid:library_id>/<str:name>/", views_old.library),
    path("library/<uuid:library_id>/<str:name>/<old_file:rest>", views_old.library),
]
