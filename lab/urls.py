"""Addresses of the Lab's pages on the portal."""

from django.urls import path

from .gateway import views as gateway_views
from .gateway import views_hub
from .git_pull import views as git_pull_views
from .locations import views as location_views
from .pages import views as pages_views
from .pages import views_packages

app_name = "lab"

urlpatterns = [
    path("", pages_views.home, name="home"),
    path("open", pages_views.open_place, name="open"),
    path("copy", location_views.copy, name="copy"),
    path("git-pull", git_pull_views.git_pull, name="git_pull"),
    path("git-pull/<uuid:pull_id>/", git_pull_views.progress, name="pull"),
    path("git-pull/<uuid:pull_id>/state", git_pull_views.state, name="pull_state"),
    path("packages", views_packages.my_packages, name="packages"),
    path("start", pages_views.start, name="start"),
    path("keep", pages_views.keep, name="keep"),
    path("notebook-view", pages_views.notebook_view, name="notebook_view"),
    path("stop", pages_views.stop, name="stop"),
    path("usage", pages_views.usage, name="usage"),
    path("status", pages_views.status, name="status"),
    path("hub/<str:username>/<uuid:server_id>", views_hub.mounts_and_limits, name="hub"),
    path("enter", gateway_views.issue_ticket, name="enter"),
]
