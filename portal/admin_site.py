"""The operators' site."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Puts our site in the place of Django's."""

    default_site = "portal.admin_site.PortalAdminSite"


class PortalAdminSite(admin.AdminSite):
    """Django's admin, with our name on it."""

    site_header = site_title = "Collaboratory administration"
    index_title = "People, Collabs, libraries, servers"
