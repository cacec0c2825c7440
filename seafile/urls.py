from django.urls import path

from . import views

urlpatterns = [
    path("_gateway/seafile", views.may_upload, name="seafile_upload"),
    path("api2/<file:rest>", views.api, name="seafile"),
    path("api/v2.1/<file:rest>", views.api, name="seafile_v21"),
    path("seafhttp/<file:rest>", views.api, name="seafile_files"),
]
