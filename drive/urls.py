from django.urls import path, register_converter

from .browser import frames, views_library, views_move_copy, views_public_link, views_search, views_upload_link
from .files.paths import FilePathConverter
from .libraries import views_lists, views_sharing
from .uploads import tus_views

register_converter(FilePathConverter, "file")

app_name = "drive"
urlpatterns = [
    path("", views_library.home, name="home"),
    path("diagrams/", frames.diagrams, name="diagrams"),
    path("folders/", views_move_copy.folders, name="folders"),
    path("find/", views_search.across, name="find"),
    path("shared-by-me/", views_lists.shared_by_me, name="shared_by_me"),
    path("shared-with-me/", views_lists.shared_with_me, name="shared_with_me"),
    path("deleted/", views_lists.deleted, name="deleted"),
    path("shares/<int:share_id>/change/", views_sharing.change_share, name="change_share"),
    path("shares/<int:share_id>/end/", views_sharing.unshare, name="unshare"),
    path("sharing/<uuid:library_id>/", views_sharing.sharing, name="sharing"),
    path("sharing/<uuid:library_id>/change/", views_sharing.change, name="change"),
    path("sharing/<uuid:library_id>/leave/", views_sharing.leave, name="leave"),
    path("sharing/<uuid:library_id>/people/", views_sharing.suggest, name="suggest"),
    path("sharing/<uuid:library_id>/transfer/", views_sharing.transfer, name="transfer"),
    path("links/<uuid:library_id>/", views_public_link.manage, name="links"),
    path("links/<uuid:library_id>/<uuid:link_id>/revoke/", views_public_link.revoke, name="revoke"),
    path("upload-links/<uuid:library_id>/", views_upload_link.manage, name="upload_links"),
    path("upload-links/<uuid:library_id>/<uuid:link_id>/revoke/", views_upload_link.revoke, name="revoke_upload_link"),
    path("uploads/<uuid:library_id>/", tus_views.collection, name="uploads"),
    path("uploads/<uuid:library_id>/<slug:upload_id>", tus_views.upload, name="upload"),
    path("<uuid:library_id>/", views_library.library, name="library"),
    path("<uuid:library_id>/<file:path>", views_library.library, name="path"),
]
