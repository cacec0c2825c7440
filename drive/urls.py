from django.urls import path, register_converter

from . import views, views_find, views_links, views_mine, views_owner, views_uploads
from .addresses import FilePathConverter

register_converter(FilePathConverter, "file")

app_name = "drive"
urlpatterns = [
    path("", views.home, name="home"),
    path("find/", views_find.across, name="find"),
    path("shared-by-me/", views_mine.shared_by_me, name="shared_by_me"),
    path("shared-with-me/", views_mine.shared_with_me, name="shared_with_me"),
    path("deleted/", views_mine.deleted, name="deleted"),
    path("shares/<int:share_id>/change/", views_owner.change_share, name="change_share"),
    path("shares/<int:share_id>/end/", views_owner.unshare, name="unshare"),
    path("sharing/<uuid:library_id>/", views_owner.sharing, name="sharing"),
    path("sharing/<uuid:library_id>/change/", views_owner.change, name="change"),
    path("sharing/<uuid:library_id>/leave/", views_owner.leave, name="leave"),
    path("sharing/<uuid:library_id>/people/", views_owner.suggest, name="suggest"),
    path("sharing/<uuid:library_id>/transfer/", views_owner.transfer, name="transfer"),
    path("links/<uuid:library_id>/", views_links.manage, name="links"),
    path("links/<uuid:library_id>/<uuid:link_id>/revoke/", views_links.revoke, name="revoke"),
    path("uploads/<uuid:library_id>/", views_uploads.collection, name="uploads"),
    path("uploads/<uuid:library_id>/<slug:upload_id>", views_uploads.upload, name="upload"),
    path("<uuid:library_id>/", views.library, name="library"),
    path("<uuid:library_id>/<file:path>", views.library, name="path"),
]
