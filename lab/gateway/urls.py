"""Addresses that only the proxy asks for; it answers 404 to a browser that tries them on the portal's origin."""

from django.urls import path

from . import views, views_cookies, views_panel, views_reading

app_name = "gateway"

urlpatterns = [
    path("auth", views.auth, name="auth"),
    path("rooms/lab", views.rooms, name="rooms"),
    path("valid-passes", views.valid_passes, name="valid_passes"),
    path("arrive", views.arrive, name="arrive"),
    path("clear-cookies", views_cookies.clear_cookies, name="clear_cookies"),
    path("lab/state", views_panel.state, name="panel_state"),
    path("lab/keep", views_panel.keep, name="panel_keep"),
    path("lab/stop", views_panel.stop, name="panel_stop"),
    path("lab/notebook-view", views_panel.notebook_view, name="panel_notebook_view"),
    path("lab/restore", views_panel.restore, name="panel_restore"),
    path("lab/preview", views_reading.preview, name="preview"),
    path("lab/enter", views.redeem_ticket, name="redeem"),
]
