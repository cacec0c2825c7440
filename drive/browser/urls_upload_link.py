"""Upload links, for senders: included at /u/."""

from django.urls import path

from . import views_upload_link

urlpatterns = [
    path("<str:token>/", views_upload_link.upload_link, name="upload_link"),
    path("<str:token>/files", views_upload_link.files, name="files_by_link"),
    path("<str:token>/uploads/", views_upload_link.uploads, name="uploads_by_link"),
    path("<str:token>/uploads/<str:upload_id>", views_upload_link.upload, name="upload_by_link"),
]
