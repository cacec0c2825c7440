from django.apps import AppConfig


class WebdavConfig(AppConfig):
    """Files for programs and desktops by WebDAV."""

    name = "webdav"
    verbose_name = "WebDAV"
