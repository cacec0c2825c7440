from django.urls import path

from . import views_connect

urlpatterns = [
    path("", views_connect.connect, name="connect_program"),
    path("new/", views_connect.new, name="new_connection"),
]
