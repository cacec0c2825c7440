from django.urls import path

from .rest.site import api

urlpatterns = [path("", api.urls)]
