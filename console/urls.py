from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("status/", views.site_status, name="site_status"),
    path("announcements/<int:pk>/dismiss", views.dismiss, name="dismiss_announcement"),
    path("admin/see/<int:pk>/", admin.site.admin_view(views.user_access), name="see_as_person"),
    path("admin/database/", admin.site.admin_view(views.database), name="database_tables"),
    path("admin/usage/", admin.site.admin_view(views.usage), name="usage"),
    path("admin/usage/usage.csv", admin.site.admin_view(views.usage_csv), name="usage_csv"),
    path("admin/starts/", admin.site.admin_view(views.launches), name="starts"),
]
