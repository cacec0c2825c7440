"""Addresses of the Lab's pages on the portal."""

from django.urls import path

from . import views, views_copies, views_gateway, views_hub, views_pulls

app_name = "lab"

urlpatterns = [
    path("", views.home, name="home"),
    path("open", views.open_place, name="open"),
    path("copy", views_copies.copy, name="copy"),
    path("git-pull", views_pulls.git_pull, name="git_pull"),
    path("git-pull/<uuid:pull_id>/", views_pulls.progress, name="pull"),
    path("git-pull/<uuid:pull_id>/state", views_pulls.state, name="pull_state"),
    path("start", views.start, name="start"),
    path("keep", views.keep, name="keep"),
    path("stop", views.stop, name="stop"),
    path("status", views.status, name="status"),
    path("hub/<str:username>/<uuid:server_id>", views_hub.given, name="hub"),
    path("enter", views_gateway.issue_ticket, name="enter"),
]
