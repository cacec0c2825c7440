from django.urls import path

from . import views, views_owner

app_name = "drive"
urlpatterns = [
    path("", views.home, name="home"),
    path("shares/<int:share_id>/end/", views_owner.unshare, name="unshare"),
    path("<uuid:library_id>/", views.library, name="library"),
    path("sharing/<uuid:library_id>/", views_owner.sharing, name="sharing"),
    path("sharing/<uuid:library_id>/change/", views_owner.change, name="change"),
    path("<uuid:library_id>/<path:path>", views.library, name="path"),
]
