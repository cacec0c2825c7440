from django.urls import path

from .views import archive, directory, groups, invitations, join_requests, pages, team

app_name = "collabs"
urlpatterns = [
    path("", directory.directory, name="directory"),
    path("new/", pages.create, name="create"),
    path("deleted/", pages.deleted, name="deleted"),
    path("join/<str:token>/", invitations.invitation, name="invitation"),
    path("join/<int:pk>/answer/", invitations.answer, name="answer_invitation"),
    path("<slug:slug>/", pages.page, name="page"),
    path("<slug:slug>/favourite/", directory.favourite, name="favourite"),
    path("<slug:slug>/team/", team.team, name="team"),
    path("<slug:slug>/team/add/", team.add_member, name="add_member"),
    path("<slug:slug>/team/people/", team.suggest, name="suggest"),
    path("<slug:slug>/team/leave/", team.leave, name="leave"),
    path("<slug:slug>/team/<slug:username>/role/", team.change_role, name="change_role"),
    path("<slug:slug>/team/<slug:username>/remove/", team.remove_member, name="remove_member"),
    path("<slug:slug>/join/", join_requests.join, name="join"),
    path("<slug:slug>/team/invitations/", invitations.index, name="invitations"),
    path("<slug:slug>/team/invitations/mail/", invitations.by_mail, name="invite_by_mail"),
    path("<slug:slug>/team/invitations/link/", invitations.by_link, name="invite_by_link"),
    path("<slug:slug>/team/invitations/<int:pk>/revoke/", invitations.revoke, name="revoke_invitation"),
    path("<slug:slug>/team/requests/", join_requests.index, name="requests"),
    path("<slug:slug>/team/requests/<int:pk>/", join_requests.decide, name="decide_request"),
    path("<slug:slug>/team/hand-over/", team.hand_over, name="hand_over"),
    path("<slug:slug>/team/groups/", groups.groups, name="groups"),
    path("<slug:slug>/team/groups/<slug:group>/", groups.group_people, name="group_people"),
    path("<slug:slug>/team/groups/<slug:group>/remove/", groups.remove_group, name="remove_group"),
    path("<slug:slug>/settings/", pages.settings, name="settings"),
    path("<slug:slug>/settings/delete/", pages.delete, name="delete"),
    path("<slug:slug>/settings/archive/", archive.archive, name="archive"),
    path("<slug:slug>/settings/unarchive/", archive.unarchive, name="unarchive"),
]
