from django.urls import path

from . import views, views_groups

app_name = "collabs"
urlpatterns = [
    path("", views.directory, name="directory"),
    path("new/", views.create, name="create"),
    path("deleted/", views.deleted, name="deleted"),
    path("<slug:slug>/", views.page, name="page"),
    path("<slug:slug>/team/", views.team, name="team"),
    path("<slug:slug>/team/add/", views.add_member, name="add_member"),
    path("<slug:slug>/team/people/", views.suggest, name="suggest"),
    path("<slug:slug>/team/leave/", views.leave, name="leave"),
    path("<slug:slug>/team/<slug:username>/role/", views.change_role, name="change_role"),
    path("<slug:slug>/team/<slug:username>/remove/", views.remove_member, name="remove_member"),
    path("<slug:slug>/team/groups/", views_groups.groups, name="groups"),
    path("<slug:slug>/team/groups/<slug:group>/", views_groups.group_people, name="group_people"),
    path("<slug:slug>/team/groups/<slug:group>/remove/", views_groups.remove_group, name="remove_group"),
    path("<slug:slug>/settings/", views.settings, name="settings"),
    path("<slug:slug>/settings/delete/", views.delete, name="delete"),
]
