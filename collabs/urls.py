from django.urls import path

from . import views, views_archive, views_directory, views_groups, views_invitations, views_requests

app_name = "collabs"
urlpatterns = [
    path("", views_directory.directory, name="directory"),
    path("new/", views.create, name="create"),
    path("deleted/", views.deleted, name="deleted"),
    path("join/<str:token>/", views_invitations.invitation, name="invitation"),
    path("join/<int:pk>/answer/", views_invitations.answer, name="answer_invitation"),
    path("<slug:slug>/", views.page, name="page"),
    path("<slug:slug>/favourite/", views_directory.favourite, name="favourite"),
    path("<slug:slug>/team/", views.team, name="team"),
    path("<slug:slug>/team/add/", views.add_member, name="add_member"),
    path("<slug:slug>/team/people/", views.suggest, name="suggest"),
    path("<slug:slug>/team/leave/", views.leave, name="leave"),
    path("<slug:slug>/team/<slug:username>/role/", views.change_role, name="change_role"),
    path("<slug:slug>/team/<slug:username>/remove/", views.remove_member, name="remove_member"),
    path("<slug:slug>/join/", views_requests.join, name="join"),
    path("<slug:slug>/team/invitations/", views_invitations.index, name="invitations"),
    path("<slug:slug>/team/invitations/mail/", views_invitations.by_mail, name="invite_by_mail"),
    path("<slug:slug>/team/invitations/link/", views_invitations.by_link, name="invite_by_link"),
    path("<slug:slug>/team/invitations/<int:pk>/revoke/", views_invitations.revoke, name="revoke_invitation"),
    path("<slug:slug>/team/requests/", views_requests.index, name="requests"),
    path("<slug:slug>/team/requests/<int:pk>/", views_requests.decide, name="decide_request"),
    path("<slug:slug>/team/hand-over/", views_requests.hand_over, name="hand_over"),
    path("<slug:slug>/team/groups/", views_groups.groups, name="groups"),
    path("<slug:slug>/team/groups/<slug:group>/", views_groups.group_people, name="group_people"),
    path("<slug:slug>/team/groups/<slug:group>/remove/", views_groups.remove_group, name="remove_group"),
    path("<slug:slug>/settings/", views.settings, name="settings"),
    path("<slug:slug>/settings/delete/", views.delete, name="delete"),
    path("<slug:slug>/settings/archive/", views_archive.archive, name="archive"),
    path("<slug:slug>/settings/unarchive/", views_archive.unarchive, name="unarchive"),
]
