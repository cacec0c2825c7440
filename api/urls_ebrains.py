from django.urls import path

from .ebrains.api import api

urlpatterns = [path("", api.urls)]
