"""Addresses of the EBRAINS Lab and Drive, of any JupyterHub and of JupyterLab, which stand in papers and bookmarks."""

from django.urls import path, register_converter

from drive.files.paths import FilePathConverter

from . import views

register_converter(FilePathConverter, "old_file")

urlpatterns = [
    path("hub", views.hub),
    path("hub/", views.hub),
    path("hub/<old_file:rest>", views.hub),
    path("user-redirect/", views.my_server),
    path("user-redirect/<old_file:rest>", views.my_server),
    path("user/<str:username>", views.users_server),
    path("user/<str:username>/", views.users_server),
    path("user/<str:username>/<old_file:rest>", views.users_server),
    path("lab/tree", views.jupyterlab),
    path("lab/tree/<old_file:rest>", views.jupyterlab),
    path("lab/workspaces/<old_file:rest>", views.jupyterlab),
    path("lab/git-pull/", views.own_git_link),
    path("tree/<old_file:rest>", views.jupyterlab),
    path("notebooks/<old_file:rest>", views.jupyterlab),
    path("git-pull", views.git_pull),
    path("git-pull/", views.git_pull),
    path("git-sync", views.git_pull),
    path("git-sync/", views.git_pull),
    path("lib/<uuid:library_id>/", views.library),
    path("lib/<uuid:library_id>/file/<old_file:rest>", views.library),
    path("library/<uuid:library_id>/<str:name>/", views.library),
    path("library/<uuid:library_id>/<str:name>/<old_file:rest>", views.library),
]
