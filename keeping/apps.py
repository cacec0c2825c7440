"""Django's registration of this app."""

from django.apps import AppConfig


class KeepingConfig(AppConfig):
    name = "keeping"
