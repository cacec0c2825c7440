from django.urls import path

from . import views

urlpatterns = [
    path("_gateway/webdav", views.may_upload, name="webdav_upload"),
    path("dav", views.dav),
    path("dav/", views.dav, name="webdav"),
    path("dav/<file:path>", views.dav, name="webdav_file"),
]
