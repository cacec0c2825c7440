from django.urls import path

from . import views

app_name = "notices"
urlpatterns = [
    path("", views.index, name="index"),
    path("read/", views.read, name="read"),
    path("settings/", views.settings, name="settings"),
    path("<int:pk>/", views.follow, name="follow"),
]
