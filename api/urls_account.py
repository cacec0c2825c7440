from django.urls import path

from . import views

urlpatterns = [
    path("", views.tokens, name="tokens"),
    path("new/", views.new, name="new_token"),
    path("<int:pk>/revoke/", views.revoke, name="revoke_token"),
]
