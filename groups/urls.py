from django.urls import path

from . import views

app_name = "groups"
urlpatterns = [
    path("", views.directory, name="directory"),
    path("new/", views.create, name="create"),
    path("names/", views.names, name="names"),
    path("<slug:slug>/", views.page, name="page"),
    path("<slug:slug>/people/", views.suggest, name="suggest"),
    path("<slug:slug>/people/add/", views.add_person, name="add_person"),
    path("<slug:slug>/people/<slug:username>/remove/", views.remove_person, name="remove_person"),
    path("<slug:slug>/managers/add/", views.add_manager, name="add_manager"),
    path("<slug:slug>/managers/<slug:username>/remove/", views.remove_manager, name="remove_manager"),
    path("<slug:slug>/groups/add/", views.nest, name="nest"),
    path("<slug:slug>/groups/<slug:inner>/remove/", views.unnest, name="unnest"),
    path("<slug:slug>/settings/", views.settings, name="settings"),
    path("<slug:slug>/settings/delete/", views.delete, name="delete"),
]
