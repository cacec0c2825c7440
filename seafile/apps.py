from django.apps import AppConfig


class SeafileConfig(AppConfig):
    """Files for the clients of Seafile."""

    name = "seafile"
    verbose_name = "Seafile Web API"
